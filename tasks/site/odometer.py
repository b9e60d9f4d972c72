"""The odometer: what a site's records have spent of their privacy, on its own disk, for ever.

A training is debited before it begins, and the debit is on disk before anything else happens. The
secret of its samples and noise is kept beside it until its update is about to leave, and deleted
before the first byte does. So a training that a crash interrupts is done again with the same secret
as long as nothing left: that is the same release, debited once. Once the secret is gone, the same
assignment is debited again. Whatever is killed when, the odometer never counts too little.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from common.bounds import Count, Instant
from common.errors import SettingError
from common.failpoints import failpoint
from common.file_lock import lock
from common.files import sync
from common.identity import canonical_json
from common.message import Message
from common.messages import Assignment
from common.private_files import write_private
from models.privacy.spending import Spending
from tasks.site.outbox import same_work

SECRET_NBYTES = 32
"""Of what decides on the samples and the noise of one training."""


class Debit(Message):
    """One training that a site has paid for, whatever became of it.

    Attributes:
        at: When, wall clock.
        run, round, workload: What was trained.
        work: The SHA-256 of the assignment, but for when and how often it was issued.
        num_examples: How many records the site had.
        noise_multiplier, sample_rate, steps: What it costs; see `models.privacy.spending`.
        delta: Of both figures below.
        epsilon_of_run: What the run has spent with it.
        epsilon: What all runs have spent with it.
    """

    at: Instant
    run: str
    round: int
    workload: str
    work: str = Field(pattern=r"^[0-9a-f]{64}$")
    num_examples: Count
    noise_multiplier: float
    sample_rate: float
    steps: int
    delta: float
    epsilon_of_run: float
    epsilon: float

    @property
    def spending(self) -> Spending:
        """What it costs, as the accountant counts it."""
        return Spending(self.noise_multiplier, self.sample_rate, self.steps)


class Odometer:
    """The debits of one client, and the secrets of trainings of which nothing has left."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet, and the folder need not exist."""
        self._folder = folder

    @property
    def path(self) -> Path:
        """The file of debits, one a line, only appended to."""
        return self._folder / "debits.jsonl"

    def debits(self) -> list[Debit]:
        """Return all debits, oldest first.

        A last line without an end was cut off while it was written: its training had not begun.

        Raises:
            SettingError: If another line is no debit: then nobody knows what was spent.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                found.append(Debit.model_validate_json(line))
            except ValidationError as error:
                msg = (
                    f"Line {number} of {self.path} is no debit, so it is unknown what the site's "
                    "records have spent, and runs with record privacy are declined. Restore the "
                    "file from a copy."
                )
                raise SettingError(msg) from error
        return found

    def secret(self, assignment: Assignment) -> bytes | None:
        """Return the secret of a training that was debited and of which nothing has left."""
        try:
            found = self._secret(assignment).read_bytes()
        except FileNotFoundError:
            return None
        return found if len(found) == SECRET_NBYTES else None

    def debit(self, assignment: Assignment, debit: Debit) -> bytes:
        """Put a debit on disk, then a new secret, and return that. Call it while `locked`.

        Raises:
            OSError: If either cannot be written: then nothing may be trained.
        """
        self._append(debit.model_dump_json().encode() + b"\n")
        failpoint("privacy.debited")
        secret = secrets.token_bytes(SECRET_NBYTES)
        write_private(self._secret(assignment), secret)
        failpoint("privacy.sealed")
        return secret

    def release(self, assignment: Assignment) -> None:
        """Forget the secret of a training, for good, before its update leaves.

        Raises:
            OSError: If it cannot be deleted: then nothing may leave.
        """
        path = self._secret(assignment)
        if path.exists():
            path.unlink()
            sync(self._folder)
        failpoint("privacy.released")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of the site from debiting meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "odometer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            whole = _whole_nbytes(descriptor)
            os.ftruncate(descriptor, whole)  # a line that was cut off
            os.lseek(descriptor, whole, os.SEEK_SET)
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        finally:
            os.close(descriptor)
        sync(self._folder)

    def _secret(self, assignment: Assignment) -> Path:
        return self._folder / f"{work_name(assignment)}.secret"


def work_name(assignment: Assignment) -> str:
    """Return the SHA-256 that names the work of an assignment, however often it is issued."""
    return hashlib.sha256(canonical_json(same_work(assignment))).hexdigest()


def _whole_nbytes(descriptor: int) -> int:
    """Return where the last whole line of a file ends."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return data.rfind(b"\n") + 1
