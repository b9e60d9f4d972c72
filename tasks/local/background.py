"""A federation in the background: started from a shell that goes on, stopped from any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import psutil

from common.command_line.screen import echo_lines
from common.errors import FederationError
from tasks.local.folder_lock import holder

_POLL_S = 0.1
_STOPPED_WITHIN_S = 120.0


def start_in_background(folder: Path, words: Sequence[str]) -> None:
    """Run `fairwind` with some words in the background, and show what it prints until all is up.

    Args:
        folder: Where its federation is kept.
        words: What stands after ``fairwind``.

    Raises:
        Exit: If it ends before all is up; it has printed why.
    """
    log = folder / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written, log.open(encoding="utf-8") as read:
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not _is_ready(folder, process.pid):
                echo_lines(read.read(), nl=False)
                if process.poll() is not None:
                    echo_lines(read.read(), nl=False)
                    raise click.exceptions.Exit(process.returncode)
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            echo_lines(read.read(), nl=False)
            raise
        echo_lines(read.read(), nl=False)


def stop(folder: Path) -> bool:
    """Stop the federation of a folder, and return whether there was one.

    Raises:
        FederationError: If it does not stop.
    """
    running = holder(folder)
    if running is None:
        return False
    os.kill(running.pid, signal.SIGTERM)
    until = time.monotonic() + _STOPPED_WITHIN_S
    while holder(folder) is not None or not _is_gone(running.pid):
        if time.monotonic() > until:
            msg = (
                f"Process {running.pid} did not stop within {_STOPPED_WITHIN_S:.0f} s, so the "
                f"federation may still run. End it: kill -KILL {running.pid}"
            )
            raise FederationError(msg)
        time.sleep(_POLL_S)
    return True


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _is_ready(folder: Path, pid: int) -> bool:
    running = holder(folder)
    return running is not None and running.pid == pid and running.ready
