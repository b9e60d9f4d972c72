"""The shell completes names of runs, clients and policies, as it asks `fairwind` for them."""

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientRetired,
    RoundEvaluated,
    RunEnded,
    RunStarted,
)
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.policy import POLICIES
from tasks.cli import fairwind


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A ledger with two runs, one of them over, and three clients, one of them retired."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    with ledger.transaction() as tx:
        for client in ("oslo", "lyon", "lima"):
            tx.append(Draft(ClientEnrolled(zone="FR"), client=client))
        tx.append(Draft(ClientRetired(), client="lima"), Draft(ClientRetired(), client="oslo"))
        tx.append(Draft(ClientEnrolled(zone="NO-NO1"), client="oslo"))
        for run in ("digits-1", "digits-2", "heart-1"):
            spec = RunSpec(id=run, workload="digits", rounds=5)
            tx.append(Draft(RunStarted(spec=spec), run=run))
        found = RoundEvaluated(metrics={"accuracy": 0.5, "auc": None, "loss": 0.7})
        tx.append(Draft(found, run="digits-1", round=1))
        tx.append(Draft(RunEnded(reason="stopped"), run="digits-1"))
    return tmp_path


def completed(words: str) -> list[str]:
    """Return what the shell offers for a command line; its last word is the one being typed."""
    *before, incomplete = words.split(" ")
    complete = BashComplete(fairwind, {}, "fairwind", "_FAIRWIND_COMPLETE")
    return [item.value for item in complete.get_completions(before, incomplete)]


@pytest.mark.parametrize(
    "words",
    [
        "run show ", "run export ", "report ", "run compare ", "run compare digits-1 ",
        "status --run ", "plan --run ", "events --run ", "ledger show --run ",
        "ledger replay --run ",
    ],
)  # fmt: skip
def test_runs_are_completed_the_newest_first(words, home):
    assert completed(words) == ["heart-1", "digits-2", "digits-1"]
    assert completed(f"{words}digits-1") == ["digits-1"]


@pytest.mark.parametrize("verb", ["stop", "pause", "resume"])
def test_a_command_that_changes_a_run_completes_those_that_are_not_over(verb, home):
    assert completed(f"run {verb} ") == ["heart-1", "digits-2"]


def test_metrics_are_completed_that_a_run_reported(home):
    assert completed("run start digits --metric ") == ["accuracy", "auc", "loss"]
    assert completed("run start digits --metric a") == ["accuracy", "auc"]


@pytest.mark.parametrize("words", ["retire ", "advice ", "enroll ", "events --client "])
def test_clients_are_completed_without_those_that_are_retired(words, home):
    assert completed(words) == ["lyon", "oslo"]
    assert completed(f"{words}ly") == ["lyon"]


@pytest.mark.parametrize("words", ["run start digits --policy ", "simulate demo --policy "])
def test_policies_are_completed(words):
    assert completed(words) == list(POLICIES)
    assert completed(f"{words}gre") == ["greedy", "green_window"]


def test_nothing_is_completed_where_there_is_no_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    assert completed("run show ") == []
    done = CliRunner().invoke(
        fairwind,
        env={
            "_FAIRWIND_COMPLETE": "bash_complete", "COMP_CWORD": "2",
            "COMP_WORDS": "fairwind retire ",
        },
        prog_name="fairwind",
    )  # fmt: skip
    assert (done.output.strip(), done.exit_code) == ("", 0)
