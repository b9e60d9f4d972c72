"""`fairwind run start` says what a run will meet, on the host where it is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.cli import fairwind
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.tasks.cli.ledger_home import home_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:1/0")  # nobody answers there
    with home_of(tmp_path, MemoryWorld("a", "b", hours=[100.0])) as folder:
        yield folder


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("buffer", "warned"), [(2, False), (3, True)])
def test_a_buffer_for_more_updates_than_there_are_clients_is_warned_of(
    buffer: int, *, warned: bool
):
    words = ["run", "start", "digits", "--mode=async", f"--buffer={buffer}", "--rounds=1"]
    done = CliRunner().invoke(fairwind, words)
    assert done.exit_code == 0, done.output
    said = f"--buffer {buffer} is more than the 2 enrolled clients"
    assert (said in done.stderr) is warned
    assert ("give --buffer 2 or less" in done.stderr) is warned


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (["--quorum=2"], False),
        (["--quorum=3"], True),
        (["--quorum=3", "--mode=async", "--buffer=2"], False),
    ],
)
def test_a_quorum_of_more_clients_than_there_are_is_warned_of(options: list[str], *, warned: bool):
    done = CliRunner().invoke(fairwind, ["run", "start", "digits", "--rounds=1", *options])
    assert done.exit_code == 0, done.output
    said = "A round needs the updates of 3 clients (--quorum), and 2 clients are enrolled"
    assert (said in done.stderr) is warned
    assert ("give --quorum 2" in done.stderr) is warned
