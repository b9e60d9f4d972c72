"""Refused messages: one line in the log, and a count by kind for `fairwind status`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from common.clock import wall_now
from common.errors import encodable
from common.file_lock import lock
from common.log import get_logger
from common.message import Message
from common.messages import Reason

_QUIET_S = 60.0
"""The same refusal is written once in so many seconds: whoever floods must not fill a disk."""

_MOST = 50
"""Kinds of refusals that are kept."""

_log = get_logger(__name__)


class Refusal(Message):
    """Messages of one kind that were refused: how many, and the last of them.

    `issuer` is whose name they bear, which need not be who sent them.
    """

    task: str
    issuer: str
    code: str
    text: str
    times: int
    last_at: AwareDatetime

    def sentence(self) -> str:
        """Return what was refused, and why, for people."""
        many = "A message" if self.times == 1 else f"{self.times} messages"
        return (
            f"{many} ({self.task}, {self.issuer}) refused: {self.text}. "
            f"Last at {self.last_at:%Y-%m-%d %H:%M:%S} UTC."
        )


def refusals_file(folder: Path) -> Path:
    """Return the file in a folder that holds what was refused."""
    return folder / "refused.json"


class Refusals:
    """What this process and others of its home have refused, in a file that commands read."""

    def __init__(self, path: Path, *, report: Callable[[Refusal], None] | None = None) -> None:
        """Prepare to count.

        Args:
            path: The file.
            report: Called with what is logged, and how often since it was logged before.
        """
        self._path = path
        self._report = report
        self._unwritten: dict[tuple[str, str, str], int] = {}
        self._written_s: dict[tuple[str, str, str], float] = {}

    def note(self, task: str, issuer: str, reason: Reason) -> None:
        """Log a refusal and count it; the same kind at most once a minute, then with its number."""
        kind = (task, issuer, reason.code)
        if kind not in self._unwritten and len(self._unwritten) >= _MOST:
            kind = (task, "many", "others")
        times = self._unwritten[kind] = self._unwritten.get(kind, 0) + 1
        now_s = time.monotonic()
        if now_s - self._written_s.get(kind, -_QUIET_S) < _QUIET_S:
            return
        self._written_s[kind] = now_s
        self._unwritten[kind] = 0
        text = encodable(reason.text)
        _log.warning(
            "message.refused", task=task, issuer=kind[1], code=kind[2], reason=text, times=times
        )
        refusal = Refusal(
            task=task, issuer=kind[1], code=kind[2], text=text, times=times, last_at=wall_now()
        )
        self._write(refusal)
        if self._report is not None:
            self._report(refusal)

    def read(self) -> tuple[Refusal, ...]:
        """Return what was refused, the newest first; nothing if the file is not there or unfit."""
        try:
            found = _KIND.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return ()
        return tuple(sorted(found, key=lambda each: each.last_at, reverse=True))

    def _write(self, new: Refusal) -> None:
        """Add a refusal to the file, one process at a time: a worker's children count, too."""
        try:
            with self._path.with_name(f"{self._path.name}.lock").open("w") as file:
                lock(file.fileno())
                self._add(new)
        except OSError as error:
            _log.warning("refusal.not_kept", reason=str(error))

    def _add(self, new: Refusal) -> None:
        before = self.read()
        same = [each for each in before if _kind_of(each) == _kind_of(new)]
        total = new.times + sum(each.times for each in same)
        rest = [each for each in before if each not in same]
        kept = (new.model_copy(update={"times": total}), *rest)[:_MOST]
        partial = self._path.with_name(f"{self._path.name}.part")
        partial.write_bytes(_KIND.dump_json(kept))
        partial.replace(self._path)


_KIND: TypeAdapter[tuple[Refusal, ...]] = TypeAdapter(tuple[Refusal, ...])


def _kind_of(refusal: Refusal) -> tuple[str, str, str]:
    return refusal.task, refusal.issuer, refusal.code
