"""The watchdog: what ended by itself starts again, after a pause that grows while it keeps on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.local.processes import Processes
from tasks.local.watchdog import Ended, Restarted, Watchdog

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
FAIL = [sys.executable, "-c", "raise SystemExit('no such model')"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs", grace_s=5) as started:
        yield started


class Watched:
    """Processes under a watchdog whose clock stands still until a test moves it."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.now = 0.0
        self.watchdog = Watchdog(processes, lambda: self.now)

    def look(self) -> list[Ended | Restarted]:
        return list(self.watchdog.look())

    def await_end(self) -> None:
        until = time.monotonic() + 20
        while not self.processes.ended():
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_killed_process_starts_again_after_its_pause(processes: Processes) -> None:
    processes.start("site", SLEEP, env=os.environ)
    watched = Watched(processes)
    assert watched.look() == []
    os.kill(processes.pid("site"), 9)
    watched.await_end()

    assert watched.look() == [Ended("site", -9, 1.0)]
    assert watched.look() == []
    watched.now = 1.0
    assert watched.look() == [Restarted("site")]
    assert processes.alive("site")
    assert watched.look() == []


def test_the_pause_doubles_up_to_a_minute_while_a_process_keeps_ending(
    processes: Processes,
) -> None:
    processes.start("site", FAIL, env=os.environ)
    watched, pauses = Watched(processes), []
    for _ in range(8):
        watched.await_end()
        (ended,) = watched.look()
        assert isinstance(ended, Ended)
        assert str(ended) == "ended with status 1"
        pauses.append(ended.pause_s)
        watched.now += ended.pause_s
        assert watched.look() == [Restarted("site")]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_process_that_lived_for_a_minute_has_the_first_pause_again(processes: Processes) -> None:
    processes.start("site", FAIL, env=os.environ)
    watched = Watched(processes)
    for wanted, lives_s in ((1.0, 0.0), (2.0, 60.0), (1.0, 0.0)):
        watched.await_end()
        assert watched.look() == [Ended("site", 1, wanted)]
        watched.now += wanted
        assert watched.look() == [Restarted("site")]
        watched.now += lives_s


def test_a_signal_is_named() -> None:
    assert str(Ended("site", -9, 1.0)) == "was ended by SIGKILL"
