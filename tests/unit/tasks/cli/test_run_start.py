"""`fairwind run start` says what a run will meet, on the host where it is started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.clock import GridClock
from scheduler.federation.opening import open_ledger
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


@pytest.fixture
def seven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:1/0")
    with home_of(tmp_path, MemoryWorld(*"abcdefg", hours=[100.0])) as folder:
        yield folder


def started(*options: str) -> str:
    done = CliRunner().invoke(fairwind, ["run", "start", "digits", "--rounds=1", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def cohort_of(home: Path) -> int | None:
    with closing(open_ledger(f"sqlite:///{home / 'ledger.sqlite'}", GridClock())) as ledger:
        return ledger.state().runs["digits-1"].spec.cohort


def test_a_round_aims_at_five_updates_where_more_clients_are_enrolled(seven: Path):
    assert started().startswith(
        "Bias realised: clients whose updates counted seldom so far weigh more.\n"
        "Cohort 5: each round aims at 5 updates of the 7 enrolled clients, as small rounds, and "
        "more of them, emit less for the same model. To aim at all of them: --cohort all.\n"
    )
    assert cohort_of(seven) == 5


@pytest.mark.parametrize(
    ("options", "cohort"), [("--cohort=all", None), ("--cohort=3", 3), ("--policy=all", None)]
)
def test_a_cohort_that_is_named_is_kept(seven: Path, options: str, cohort: int | None):
    assert "Cohort 5" not in started(options)
    assert cohort_of(seven) == cohort


def test_a_run_file_may_aim_at_all(seven: Path, tmp_path: Path):
    run = tmp_path / "run.toml"
    run.write_text('cohort = "all"\n')
    assert "A round aims at 7 updates, more than it needs" in started(f"--file={run}")
    assert cohort_of(seven) is None


@pytest.mark.usefixtures("home")
def test_few_clients_all_take_part_and_nothing_is_said_of_it():
    assert "ohort" not in started()


@pytest.mark.usefixtures("home")
def test_a_cohort_is_a_number_or_all():
    words = ["run", "start", "digits", "--rounds=1", "--cohort=some"]
    done = CliRunner().invoke(fairwind, words)
    assert done.exit_code == 2
    assert "'some' is not a valid integer" in done.stderr


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "wait=1 changes nothing without --hours"),
        (["--hours=48"], "all of its 48 h. How much longer that is than without is unknown"),
    ],
)
def test_waiting_names_its_price(options: list[str], says: str):
    assert says in started("--policy-option=wait=1", *options)
    assert "wait=1" not in started(*options)
