"""The demonstration as a newcomer runs it: one command, real processes, the page in a browser."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from pathlib import Path

import pytest

from scheduler.federation.opening import read_ledger
from tasks.local.ports import free_port
from tasks.local.scene import SIX_GRIDS
from tests.e2e.browser import Page, chromium, find_chromium
from tests.e2e.shell import Shell, blocks
from tests.e2e.terminal import Terminal, processes_of

PROJECT = Path(__file__).resolve().parents[2]

ZONES = r"grid time( +[a-z]+){6}\n( +[A-Z][A-Z-]+){6}   gCO2eq/kWh\n"
GATES = r"[A-Z][a-z]{2} \d\d:\d\d( +\d+ (open|shut)){6}\n"
ROUND = (
    r"[A-Z][a-z]{2} \d\d:\d\d  Round +\d+/24  accuracy \d+\.\d %  +\d+(\.\d+)? [um]?gCO2eq  "
    r"trained at [a-z]+(, [a-z]+)+\n"
)
SUMMARY = (
    r"Round 24/24  accuracy \d+\.\d %  \d+(\.\d+)? [um]?gCO2eq  "
    r"\(run now: \d+(\.\d+)? [um]?gCO2eq\)\n"
    r"Avoided      \d+(\.\d+)? % = \d+(\.\d+)? [um]?gCO2eq, for a delay of .+ on the grid clock\n"
    r"Watch        http://127\.0\.0\.1:\d+/rounds      fairwind status\n"
)
H1 = "document.querySelector('h1')"
STOPPING = r"Everything stops now\. To keep it up: make demo ARGS=--keep\n"


def demo(folder: Path, *words: str, port: int | None = None) -> Terminal:
    return Terminal(folder, "demo", "--port", str(port or free_port()), *words)


@pytest.mark.long
def test_demo_trains_all_rounds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        # Started before: the page is to be open while the demonstration starts.
        page = stack.enter_context(chromium(tmp_path / "profile")) if find_chromium() else None
        port = free_port()
        running = stack.enter_context(demo(tmp_path, "--fast", port=port))
        if page:
            running.wait_until_said(r"Watch ")
            page.open(f"http://127.0.0.1:{port}/rounds")
            page.wait_for(f"{H1}?.innerText.startsWith('Starting: coordinator, beat, 6 sites')")
            _look_at_the_page(page, running, tmp_path)
        assert running.wait() == 0, running.said
        assert re.search(ZONES + GATES, running.said), running.said
        assert len(re.findall(ROUND, running.said)) == 24, running.said
        assert re.search(SUMMARY + STOPPING + r"\Z", running.said), running.said
        assert processes_of(tmp_path) == []
    # The grid clock stood until everything was ready, however long that took.
    ledger = read_ledger(f"sqlite:///{tmp_path / '.fairwind' / 'demo' / 'home' / 'ledger.sqlite'}")
    with contextlib.closing(ledger):
        assert ledger.state().runs["demo"].grid_started_at == SIX_GRIDS.grid_start
    if page is None:
        pytest.skip("the demo passed, but THE PAGE WAS NOT LOOKED AT: Chromium is not installed")


def _look_at_the_page(page: Page, running: Terminal, folder: Path) -> None:
    running.wait_until_said(r"Round +1/24")
    verdict = page.wait_for(
        "document.querySelectorAll('canvas').length == 2"
        " && document.querySelectorAll('tbody tr').length >= 6"
        f" && {H1}.innerText",
        timeout_s=30,
    )
    assert "Connecting" not in verdict
    assert "Starting" not in verdict
    text = page.evaluate("document.body.innerText")
    for word in (
        "Accuracy",
        "Emitted",
        "Run now, same sites and energy",
        "toronto",
        "US-CAL-CISO",
        "why",
    ):
        assert word.lower() in text.lower()
    assert page.complaints == []
    page.screenshot(folder / "rounds.png", width=1400, height=1300)
    assert (folder / "rounds.png").stat().st_size > 50_000


def test_demo_stopped_by_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.wait_until_said("Starting  coordinator")
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert "Stopping everything" in running.said
        assert "No process is left." in running.said
        assert "Traceback" not in running.said
        assert processes_of(tmp_path) == []


@pytest.mark.long
def test_demo_kept_up_can_be_looked_at_and_says_that_it_stops(tmp_path: Path) -> None:
    with demo(tmp_path, "--fast", "--keep", "--rounds", "2") as running:
        running.wait_until_said(r"Everything stays up until Ctrl-C\.\n")
        with Shell(tmp_path) as shell:
            for page in ("demo.md", "simulation.md"):
                for block in blocks(PROJECT / "docs" / page):
                    if "demo/env" in block:
                        shell.play(block)
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0
        assert running.said.endswith(
            "Stopping everything ... (Ctrl-C again: at once)\nStopped. No process is left.\n"
        )
        assert processes_of(tmp_path) == []


def test_demo_that_fails_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.wait_until_said("Starting  coordinator")
        until = time.monotonic() + 30
        while not (sites := [p for p in processes_of(tmp_path) if "client.berlin" in p.cmdline()]):
            assert time.monotonic() < until
            time.sleep(0.05)
        sites[0].kill()
        assert running.wait() == 1
        assert "Error: " in running.said
        assert "Traceback" not in running.said
        assert processes_of(tmp_path) == []


def test_readme_shows_eight_lines_of_what_the_demo_prints() -> None:
    readme = (PROJECT / "README.md").read_text()
    (shown,) = re.findall(r"^```\n(grid time.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert len(shown.splitlines()) == 8
    assert re.fullmatch(ZONES + GATES + ROUND * 2 + SUMMARY, shown)


def test_the_page_of_the_demonstration_shows_all_that_it_prints() -> None:
    page = (PROJECT / "docs" / "demo.md").read_text()
    (shown,) = re.findall(r"^```\n(Fairwind .*?)^```$", page, re.MULTILINE | re.DOTALL)
    rounds = f"((?:{GATES})*{ROUND}){{24}}"
    assert re.search(ZONES + rounds + r"\n" + SUMMARY + STOPPING + r"\Z", shown)
    for line in (PROJECT / "README.md").read_text().partition("grid time")[2].splitlines()[1:8]:
        assert line in shown
