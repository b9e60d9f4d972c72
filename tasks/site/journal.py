"""A site's journal: what it began, answered and sent, a JSON line each, a file a month.

A line is appended before what it reports leaves the site. A killed process leaves at most one torn
line, which is skipped. Lines are not synced: a power failure may lose those of the last seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from common.clock import wall_now
from common.message import Message
from common.messages import Assignment, Energy, Outcome, Reason, Receipt

KEPT_MONTHS = 24
"""So many files are kept; the oldest is deleted when a month begins."""


class Begun(Message):
    """The site starts to work on an assignment."""

    kind: Literal["begun"] = "begun"
    at: AwareDatetime
    run: str
    round: int
    attempt: int
    workload: str


class Answered(Message):
    """The site has an answer to an assignment.

    Attributes:
        energy: What the work used; `None` if that is unknown, or nothing was done.
        intensity_gco2eq_per_kwh: Of the site's grid, as the assignment brought it.
        update_nbytes: Size of the update that training made, sent or not.
        policy: The version of the site policy by which it was answered; `None` without a file.
    """

    kind: Literal["answered"] = "answered"
    run: str
    round: int
    attempt: int
    workload: str
    outcome: Outcome
    started_at: AwareDatetime
    ended_at: AwareDatetime
    energy: Energy | None
    intensity_gco2eq_per_kwh: float | None
    update_nbytes: int | None
    reason: Reason | None
    policy: str | None = None


class Sent(Message):
    """An update is about to leave the site."""

    kind: Literal["sent"] = "sent"
    at: AwareDatetime
    run: str
    round: int
    nbytes: int
    sha256: str


Entry = Begun | Answered | Sent

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


class Journal:
    """The journal of one client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, entry: Entry, *, at: datetime | None = None) -> None:
        """Append an entry to the file of this month.

        Raises:
            OSError: If it could not be written.
        """
        path = self._folder / f"{at or wall_now():%Y-%m}.jsonl"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._files()[: -KEPT_MONTHS + 1]:
                old.unlink(missing_ok=True)
        line = f"{entry.model_dump_json()}\n".encode()
        with path.open("a+b", buffering=0) as file:
            file.write(line if _is_whole(file.fileno()) else b"\n" + line)

    def read(self, *, since: datetime) -> list[Entry]:
        """Return the entries that were written since a time, or a little earlier, oldest first."""
        files = [path for path in self._files() if path.stem >= f"{since:%Y-%m}"]
        return list(_entries(line for path in files for line in path.read_bytes().splitlines()))

    def _files(self) -> list[Path]:
        return sorted(
            path for path in self._folder.glob("*.jsonl") if re.fullmatch(r"\d{4}-\d{2}", path.stem)
        )


def answered(assignment: Assignment, receipt: Receipt, update_nbytes: int | None) -> Answered:
    """Return the entry of an answer."""
    return Answered(
        run=receipt.run, round=receipt.round, attempt=receipt.attempt,
        workload=assignment.workload, outcome=receipt.outcome, started_at=receipt.started_at,
        ended_at=receipt.ended_at, energy=receipt.energy, reason=receipt.reason,
        intensity_gco2eq_per_kwh=assignment.intensity_gco2eq_per_kwh, update_nbytes=update_nbytes,
        policy=receipt.policy,
    )  # fmt: skip


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield _ENTRY.validate_json(line)
        except ValidationError:
            continue


def _is_whole(descriptor: int) -> bool:
    """Return whether the last line of an open file ends as a line does."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
