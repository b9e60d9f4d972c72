"""`fairwind up` as a user runs it: a first run, a killed worker, Ctrl-C, and on in the background.

One folder for all tests: they run in their order, as somebody's first hour does.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.local.ports import free_port
from tests.e2e.terminal import Terminal, fairwind, processes_of

PROJECT = Path(__file__).resolve().parents[2]
READY = r"Stop      Ctrl-C"
LINE = r"[A-Z][a-z]{2} \d\d:\d\d:\d\d  "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("user")
    yield path
    fairwind(path, "down")
    assert processes_of(path) == []


def in_shell(folder: Path, command: str) -> str:
    """Run a command as somebody does who has read what `fairwind up` prints."""
    done = subprocess.run(
        ["bash", "-ec", f". .fairwind/env; {command}"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(folder: Path) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(in_shell(folder, "fairwind status --json"))
    return seen


@pytest.mark.long
def test_up_trains_survives_a_killed_worker_and_stops_by_ctrl_c(folder: Path) -> None:
    port = free_port()
    words = ("up", "--sites", "lyon:FR,oslo:NO-NO1", "--port", str(port))
    with Terminal(folder, *words) as up:
        up.wait_until_said(READY)
        assert f"http://127.0.0.1:{port}/rounds" in up.said
        (start,) = re.findall(r"^Then +(fairwind run start .*)$", up.said, re.MULTILINE)
        in_shell(folder, start)
        up.wait_until_said(LINE + r"digits-1 +round 5/5 closed: \d+")
        up.wait_until_said(LINE + r"digits-1 +has ended: all its rounds are done")

        site = next(p for p in processes_of(folder) if "client.oslo" in p.cmdline())
        site.kill()
        up.wait_until_said(r"site-oslo +was ended by SIGKILL; it starts again in 1 s")
        up.wait_until_said(r"site-oslo +started again\n(.*\n)*.*oslo +ready")

        refused = fairwind(folder, "up")
        assert refused.returncode == 1
        assert "runs in" in refused.stderr
        assert "fairwind down" in refused.stderr

        up.process.send_signal(signal.SIGINT)
        up.wait_until_said("Stopping everything")
        assert up.wait() == 130
        assert up.said.endswith("Stopped. No process is left.\n")
        assert "Traceback" not in up.said
        assert processes_of(folder) == []


@pytest.mark.long
def test_the_same_folder_goes_on_in_the_background_with_ones_own_workload(folder: Path) -> None:
    shutil.copy(PROJECT / "examples" / "heart" / "heart.py", folder)
    kept = fairwind(folder, "up", "--keep", "--workload", "heart")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert "2 sites (lyon, oslo) ... ready" in kept.stdout
    in_shell(folder, "fairwind run start heart --rounds 2")
    log = folder / ".fairwind" / "logs" / "up.log"
    in_shell(folder, f"until grep -q 'has ended' {log}; do sleep 0.2; done")
    seen = status(folder)
    assert [run["id"] for run in seen["runs"]] == ["digits-1", "heart-1"]
    assert seen["run"]["rounds_done"] == 2

    down = fairwind(folder, "down")
    assert (down.returncode, down.stdout) == (0, "Stopped. No process is left.\n")
    assert processes_of(folder) == []
    assert fairwind(folder, "down").stdout == "No federation runs in .fairwind.\n"


def test_without_sites_it_is_ready_once_the_coordinator_is(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    kept = fairwind(empty, "up", "--keep", "--port", str(free_port()))
    assert "Sites     none yet" in kept.stdout
    drivers = in_shell(empty, "fairwind status")
    assert "coordinator running, beat running, Redis answers" in drivers
    assert fairwind(empty, "down").returncode == 0


def test_a_second_ctrl_c_stops_at_once_and_leaves_nothing(folder: Path) -> None:
    with Terminal(folder, "up") as up:
        up.wait_until_said("Starting  coordinator")
        up.process.send_signal(signal.SIGINT)
        up.wait_until_said("Stopping everything")
        up.process.send_signal(signal.SIGINT)
        assert up.wait() == 130
        assert "Traceback" not in up.said
        assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sites", "lyon"], "names no site and zone"),
        (["--sites", "lyon:XX"], "knows no zone 'XX'"),
    ],
)
def test_what_cannot_be_started_is_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    done = fairwind(tmp_path, "up", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []


def test_a_folder_that_hides_our_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    done = fairwind(tmp_path, "up")
    assert done.returncode == 1
    assert "has the name of Fairwind's own models" in done.stderr
