"""The demonstration as a newcomer runs it: one command, real processes, the page in a browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.browser import chromium, find_chromium

PROJECT = Path(__file__).resolve().parents[2]

ZONES = r"grid time( +[a-z]+){6}\n( +[A-Z][A-Z-]+){6}   gCO2eq/kWh\n"
GATES = r"[A-Z][a-z]{2} \d\d:\d\d( +\d+ (open|shut)){6}\n"
ROUND = (
    r"[A-Z][a-z]{2} \d\d:\d\d  Round +\d+/12  accuracy \d+\.\d %  +\d+(\.\d+)? [um]?gCO2eq  "
    r"trained at [a-z]+(, [a-z]+)+\n"
)
SUMMARY = (
    r"Round 12/12  accuracy \d+\.\d %  \d+(\.\d+)? [um]?gCO2eq  "
    r"\(run now: \d+(\.\d+)? [um]?gCO2eq\)\n"
    r"Avoided      \d+(\.\d+)? % = \d+(\.\d+)? [um]?gCO2eq, for a delay of .+ on the grid clock\n"
    r"Watch        http://127\.0\.0\.1:\d+/rounds      fairwind status\n"
)
STOPPING = r"Everything stops now\. To keep it up: make demo ARGS=--keep\n"


class Demo:
    """A running demonstration and what it has said so far."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.folder = folder
        self.port = _free_port()
        command = [sys.executable, "-u", "-m", "tasks.cli", "demo", "--folder", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *args],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            cwd=folder.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while said := self.process.stdout.read(1):  # a line ends only once its step has
            self.said += said

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

    def close(self) -> None:
        """Let go of its output."""
        assert self.process.stdout is not None
        self.process.stdout.close()

    def processes(self) -> list[psutil.Process]:
        """Return the processes of this demonstration: they know its folder."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            home = process.environ().get("FAIRWIND_HOME", "")
        except psutil.Error:
            return False
        return home.startswith(str(self.folder))


@contextmanager
def demo(folder: Path, *args: str) -> Iterator[Demo]:
    running = Demo(folder, *args)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
        running.wait()
        running.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.long
def test_demo_trains_twelve_rounds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.wait_until_said(r"Round +1/12")
        if find_chromium():
            _look_at_the_page(running, tmp_path)
        assert running.wait() == 0, running.said
        assert re.search(ZONES + GATES, running.said), running.said
        assert len(re.findall(ROUND, running.said)) == 12, running.said
        assert re.search(SUMMARY + STOPPING + r"\Z", running.said), running.said
        assert running.processes() == []
    if not find_chromium():
        pytest.skip("the demo passed, but THE PAGE WAS NOT LOOKED AT: Chromium is not installed")


def _look_at_the_page(running: Demo, folder: Path) -> None:
    with chromium(folder / "profile") as page:
        page.open(f"http://127.0.0.1:{running.port}/rounds")
        verdict = page.wait_for(
            "document.querySelectorAll('canvas').length == 2"
            " && document.querySelectorAll('tbody tr').length >= 6"
            " && document.querySelector('h1').innerText",
            timeout_s=30,
        )
        assert "Connecting" not in verdict
        text = page.evaluate("document.body.innerText")
        for word in ("Accuracy", "Emitted", "against run-now", "toronto", "US-CAL-CISO", "why"):
            assert word.lower() in text.lower()
        assert page.complaints == []
        page.screenshot(folder / "rounds.png", width=1400, height=1300)
        assert (folder / "rounds.png").stat().st_size > 50_000


def test_demo_stopped_by_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.wait_until_said("Starting  coordinator")
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert "No process is left." in running.said
        assert "Traceback" not in running.said
        assert running.processes() == []


def test_demo_that_fails_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.wait_until_said("Starting")
        until = time.monotonic() + 30
        while not (sites := [p for p in running.processes() if "client.berlin" in p.cmdline()]):
            assert time.monotonic() < until
            time.sleep(0.05)
        sites[0].kill()
        assert running.wait() == 1
        assert "Error: " in running.said
        assert "Traceback" not in running.said
        assert running.processes() == []


def test_readme_shows_eight_lines_of_what_the_demo_prints() -> None:
    readme = (PROJECT / "README.md").read_text()
    (shown,) = re.findall(r"^```\n(grid time.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert len(shown.splitlines()) == 8
    assert re.fullmatch(ZONES + GATES + ROUND * 2 + SUMMARY, shown)


def test_the_page_of_the_demonstration_shows_all_that_it_prints() -> None:
    page = (PROJECT / "docs" / "demo.md").read_text()
    (shown,) = re.findall(r"^```\n(Fairwind .*?)^```$", page, re.MULTILINE | re.DOTALL)
    rounds = f"((?:{GATES})*{ROUND}){{12}}"
    assert re.search(ZONES + rounds + r"\n" + SUMMARY + STOPPING + r"\Z", shown)
    for line in (PROJECT / "README.md").read_text().partition("grid time")[2].splitlines()[1:8]:
        assert line in shown
