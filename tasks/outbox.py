"""The outbox: a site's last answer, on disk until the next assignment shows that it was settled.

A client has one open assignment at a time. So an assignment of another round means that the one
before is settled, whatever became of it, and its answer may go.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.files import replace_synced
from common.messages import Assignment, Message, Receipt


class Outbox:
    """One client's folder with its last receipt and, where it trained, the update's bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def update(self) -> Path:
        """Where the bytes of the last update are."""
        return self._folder / "update.safetensors"

    @property
    def base(self) -> Path:
        """Where the pulled model is put while it is trained."""
        return self._folder / "base.safetensors"

    def answer_to(self, assignment: Assignment) -> Receipt | None:
        """Return the receipt already written for this round, if there is one."""
        try:
            answer = _Answer.model_validate_json(self._receipt.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        same = _work(answer.assignment) == _work(assignment)
        return answer.receipt if same and self.update.exists() else None

    def keep(self, assignment: Assignment, receipt: Receipt) -> None:
        """Replace the last answer, synced to disk. The update's bytes must be there already."""
        answer = _Answer(assignment=assignment, receipt=receipt)
        _write_synced(self._receipt, lambda path: path.write_text(answer.model_dump_json()))

    def keep_update(self, write: Callable[[Path], None]) -> None:
        """Replace the last update's bytes by what `write` puts at the path it is given."""
        self._receipt.unlink(missing_ok=True)
        _write_synced(self.update, write)

    @property
    def _receipt(self) -> Path:
        return self._folder / "receipt.json"


class _Answer(Message):
    """What a trained receipt answers, and the receipt."""

    assignment: Assignment
    receipt: Receipt


def _work(assignment: Assignment) -> dict[str, Any]:
    """Return what makes two assignments the same work: all but when and how often it was issued."""
    return assignment.model_dump(
        exclude={"attempt", "issued_at", "valid_until", "clock", "intensity_gco2eq_per_kwh"}
    )


def _write_synced(target: Path, write: Callable[[Path], object]) -> None:
    partial = target.with_name(f"{target.name}.part")
    write(partial)
    replace_synced(partial, target)
