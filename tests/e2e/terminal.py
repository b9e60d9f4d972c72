"""A `fairwind` command in a terminal: what it prints as it goes, and the processes it starts."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-u", "-m", "tasks.cli"]


def environment() -> dict[str, str]:
    """Return a user's environment: ours, with the project and its programs found."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    plain = {name: value for name, value in os.environ.items() if name != "FAIRWIND_CONFIG"}
    return {**plain, "HOME": "/nonexistent", "PATH": programs, "PYTHONPATH": str(PROJECT)}


def fairwind(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a `fairwind` command to its end."""
    return subprocess.run(
        [*COMMAND, *words], env=environment(), cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes of a federation that is kept somewhere in a folder."""
    return [process for process in psutil.process_iter() if _is_kept_in(process, folder)]


def _is_kept_in(process: psutil.Process, folder: Path) -> bool:
    try:
        home = process.environ().get("FAIRWIND_HOME", "")
    except psutil.Error:
        return False
    return home.startswith(str(folder))


class Terminal:
    """A `fairwind` command that runs, and what it has said so far.

    A context manager: at its end the command is stopped by Ctrl-C if it still runs.

    Args:
        folder: Where it runs.
        words: Its words after `fairwind`.
        is_tty: Whether its output is a terminal to the command, too, rather than a pipe.
    """

    def __init__(self, folder: Path, *words: str, is_tty: bool = False) -> None:
        ours, theirs = pty.openpty() if is_tty else os.pipe()
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            env=environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(theirs)
        self._output = os.fdopen(ours, encoding="utf-8")
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return itself: it runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it, and let go of its output."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.wait()
        self._output.close()

    def wait_until_said(self, pattern: str, timeout_s: float = 120.0) -> None:
        """Wait until its output holds a match of the pattern."""
        until = time.monotonic() + timeout_s
        while not re.search(pattern, self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, f"{pattern} not said:\n{self.said}"
            time.sleep(0.05)

    def wait(self, timeout_s: float = 120.0) -> int:
        """Wait until it has ended and everything it said is read."""
        status = self.process.wait(timeout_s)
        self._reader.join(10)
        return status

    def _read(self) -> None:
        with suppress(OSError):  # the end of a terminal
            while said := self._output.read(1):  # a line ends only once its step has
                self.said += said
