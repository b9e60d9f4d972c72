"""Named child processes of which none is ever left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from common.errors import FairwindError, SettingError
from tasks.local import guard

_TAIL_LINES = 15

_LOG_NBYTES = 20_000_000
"""A longer log is moved aside, where it replaces the one before."""


@dataclass(frozen=True)
class _Launch:
    """How a process was started."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None


class Processes:
    """Child processes by name, each in its own session, with its output in a file of its own.

    A context manager. Whatever runs at its end is stopped, last started first, be it left in the
    ordinary way, by an exception, Ctrl-C or SIGTERM. Should this process itself be killed, a guard
    kills the children and their children. Do not share one between threads.

    Attributes:
        folder: Where each process's output is kept, as ``<name>.log``.
        grace_s: How long a process may take to end after SIGTERM, wall seconds.
    """

    def __init__(self, folder: Path, *, grace_s: float = 10.0) -> None:
        self.folder = folder
        self.grace_s = grace_s
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._launches: dict[str, _Launch] = {}

    def __enter__(self) -> Self:
        """Start the guard, and let SIGTERM unwind like Ctrl-C where it is not handled otherwise."""
        guards_end, self._lifeline = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__], stdin=guards_end, start_new_session=True
        )
        os.close(guards_end)
        self._unwinds = _sigterm_is_ours()
        if self._unwinds:
            signal.signal(signal.SIGTERM, _unwind)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every process."""
        try:
            self.stop_all()
        finally:
            # Were stop_all() cut short, the guard would now kill the rest.
            os.close(self._lifeline)
            self._guard.wait()
            if self._unwinds:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the processes that were started and not stopped, in the order of their start."""
        return tuple(self._running)

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start a process under a name that is free.

        A later process of the same name appends to the log of the earlier one.

        Args:
            name: Also names the log, so it must be fit for a file's name.
            command: Program and arguments; no shell is involved.
            env: The whole environment of the process.
            cwd: Its working folder; `folder` if not given.

        Raises:
            SettingError: If a process of that name has not been stopped.
        """
        if name in self._running:
            msg = (
                f"There is already a process {name!r}, so no second one was started. Stop it first."
            )
            raise SettingError(msg)
        self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have cleared it meanwhile
        with self.log_path(name).open("ab") as log, _uninterrupted():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or self.folder,
                start_new_session=True,
            )
            self._tell_guard("+", process)
            self._running[name] = process
        self._launches[name] = _Launch(tuple(command), dict(env), cwd)

    def restart(self, name: str) -> None:
        """Start a process again as it was started, after killing what is left of it."""
        launch = self._launches[name]
        if name in self._running:
            self.kill(name)
        self.start(name, launch.command, env=launch.env, cwd=launch.cwd)

    def stop_all(self) -> None:
        """Stop every process, last started first, one after the other."""
        for name in reversed(self.names):
            self.stop(name)

    def stop(self, *names: str) -> None:
        """Send SIGTERM to processes, all at once, and kill those that take too long.

        Ctrl-C kills them all at once.
        """
        try:
            for name in names:
                # Only the process itself: a pool's children die of a SIGTERM their parent could
                # use.
                self._running[name].terminate()
            until = time.monotonic() + self.grace_s
            for name in names:
                with suppress(subprocess.TimeoutExpired):
                    self._running[name].wait(max(0.0, until - time.monotonic()))
        finally:
            for name in names:
                self.kill(name)

    def kill(self, name: str) -> None:
        """Kill a process and all of its children at once, as a power cut would."""
        process = self._running[name]
        guard.kill_group(process.pid)
        process.wait()
        self._tell_guard("-", process)
        del self._running[name]

    def alive(self, name: str) -> bool:
        """Return whether the process of this name runs."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Return the process id of a running process, the leader of its group."""
        return self._running[name].pid

    def ended(self) -> dict[str, int]:
        """Return the status of each process that ended and was neither stopped nor killed here."""
        polled = {name: process.poll() for name, process in self._running.items()}
        return {name: status for name, status in polled.items() if status is not None}

    def check(self) -> None:
        """Do nothing if all is well.

        Raises:
            FairwindError: If a process ended that was neither stopped nor killed from here.
        """
        for name, status in self.ended().items():
            msg = (
                f"The process {name!r} ended with status {status}, so nothing more can be expected "
                f"of it. Its log {self.log_path(name)} ends:\n{self.tail(name)}"
            )
            raise FairwindError(msg)

    def log(self, name: str) -> str:
        """Return all that processes of this name have written, output and errors together."""
        path = self.log_path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def trim_logs(self, *, nbytes: int = _LOG_NBYTES) -> None:
        """Move what long logs hold to ``<name>.log.1``; processes go on writing to the same file.

        A line that a process writes between the copy and the cut is lost.
        """
        for name in self.names:
            path = self.log_path(name)
            if path.exists() and path.stat().st_size > nbytes:
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
                os.truncate(path, 0)

    def tail(self, name: str) -> str:
        """Return the last lines of a log, indented."""
        lines = self.log(name).splitlines()[-_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (nothing)"

    def log_path(self, name: str) -> Path:
        """Return where processes of this name write."""
        return self.folder / f"{name}.log"

    def _tell_guard(self, sign: str, process: subprocess.Popen[bytes]) -> None:
        # Stopping must go on even if the guard was killed.
        with suppress(BrokenPipeError):
            os.write(self._lifeline, f"{sign}{process.pid}\n".encode())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back for a moment: else nobody would know of a process just begun."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in held:
        signal.raise_signal(each)


def _sigterm_is_ours() -> bool:
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _unwind(signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)
