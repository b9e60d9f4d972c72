"""The outbox: a site's last answer, kept until an assignment of another round replaces it.

A client has one open assignment at a time. So an assignment of another round means that the one
before is closed, whatever its outcome, and that its answer is no longer needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from common.files import file_sha256
from common.message import Message
from common.messages import Assignment, BlobRef, Receipt
from tasks.site.site_files import sweep


class Outbox:
    """One client's folder with its last trained answer and the update's bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def update(self) -> Path:
        """Where the bytes of the last update are."""
        return self._folder / "update.safetensors"

    @property
    def pulled(self) -> Path:
        """Where the beginning of a model is kept that comes slowly."""
        return self._folder / "pulled"

    def answer_to(self, assignment: Assignment) -> Receipt | None:
        """Return the receipt already written for this round, if there is one."""
        answer = self.last()
        if answer is None:
            return None
        same = same_work(answer.assignment) == same_work(assignment)
        return answer.receipt if same and self._holds(answer.receipt.update) else None

    def last(self) -> StoredAnswer | None:
        """Return the last answer; `None` if there is none, or it was cut off while written."""
        try:
            return StoredAnswer.model_validate_json(self._receipt.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _holds(self, ref: BlobRef | None) -> bool:
        """Return whether the update's bytes are whole: they are not synced, and power may fail."""
        return ref is not None and self.update.exists() and file_sha256(self.update) == ref.sha256

    def keep(self, assignment: Assignment, receipt: Receipt) -> None:
        """Replace the last answer. The update's bytes must be there already."""
        answer = StoredAnswer(assignment=assignment, receipt=receipt)
        partial = self._partial()
        partial.write_text(answer.model_dump_json())
        partial.replace(self._receipt)

    def keep_update(self, write: Callable[[Path], None]) -> None:
        """Replace the last update's bytes by what `write` writes to a path.

        They are not synced: that costs as much as training, a killed process loses nothing by it,
        and after a power failure the same bytes are trained again.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._receipt.unlink(missing_ok=True)
        sweep(self._folder)  # a site works on one task at a time
        partial = self._partial()
        try:
            write(partial)
            partial.replace(self.update)
        finally:  # on a full disk, a half of it would keep everything else from being written
            partial.unlink(missing_ok=True)

    def _partial(self) -> Path:
        return self._folder / f"{uuid4().hex}.part"

    @property
    def _receipt(self) -> Path:
        return self._folder / "receipt.json"


class StoredAnswer(Message):
    """What a trained receipt answers, and the receipt."""

    assignment: Assignment
    receipt: Receipt


def same_work(assignment: Assignment) -> dict[str, Any]:
    """Return what makes two assignments the same work: all but when and how often it was issued.

    What the coordinator reports with each issue, of the grid and of its ledger, is no part of it.
    """
    return assignment.model_dump(
        exclude={
            "attempt",
            "issued_at",
            "sent_at",
            "valid_until",
            "clock",
            "head",
            "intensity_gco2eq_per_kwh",
        }
    )
