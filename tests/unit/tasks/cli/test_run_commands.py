"""Runs on the command line: the list, one run, two side by side, and their models."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.cli import fairwind
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld, version_bytes


def world() -> MemoryWorld:
    """Return a federation with three runs: two are over, the third is paused after a round."""
    made = MemoryWorld("a", "b", "c", hours=[100.0, 900.0, 900.0, 50.0, 100.0])
    made.start("late", rounds=3, policy="all")
    made.clock.now += HOUR - timedelta(seconds=90)
    made.play(3 * HOUR)
    made.start("early", rounds=2, policy="greedy", cohort=2, metric="accuracy")
    made.play(HOUR)
    made.start("held", rounds=9)
    made.play(timedelta(minutes=1))
    made.pause("held")
    made.play(HOUR)
    return made


def write(made: MemoryWorld, folder: Path) -> None:
    """Write what happened into a ledger file."""
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", GridClock())
    for event in made.history.events:
        with ledger.transaction(at=event.at) as tx:
            tx.append(Draft(event.payload, event.run, event.round, event.client))
    ledger.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A coordinator's folder without a ledger."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    settings.load.cache_clear()
    yield tmp_path
    settings.load.cache_clear()


@pytest.fixture
def home(folder: Path) -> Path:
    """A coordinator's folder with the ledger of that federation."""
    write(world(), folder)
    return folder


def call(*words: str) -> Result:
    return CliRunner().invoke(fairwind, list(words))


def cells(text: str, column: int = 0) -> list[str]:
    """Return one column of a table, without its header."""
    return [line.split()[column] for line in text.splitlines()[1:]]


# --- list -------------------------------------------------------------------------------------


def test_the_list_has_state_rounds_metric_grams_avoided_and_policy_of_each_run(home):
    lines = call("run", "list").stdout.splitlines()
    assert lines[0].split() == [
        "run", "workload", "policy", "state", "rounds", "metric", "emitted", "avoided",
    ]  # fmt: skip
    assert lines[1].split()[:7] == ["late", "digits", "all", "ended", "3/3", "accuracy", "30.0"]
    assert lines[3].split()[:5] == ["held", "digits", "all", "paused", "1/9"]


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ((), ["late", "early", "held"]),
        (("--reverse",), ["held", "early", "late"]),
        (("--sort=run",), ["early", "held", "late"]),
        (("--sort=policy",), ["late", "held", "early"]),
        (("--sort=state",), ["late", "early", "held"]),
        (("--sort=rounds",), ["late", "early", "held"]),
        (("--sort=metric",), ["late", "early", "held"]),
        (("--sort=metric", "--reverse"), ["held", "early", "late"]),
        (("--sort=emitted",), ["early", "held", "late"]),
    ],
)
def test_the_list_is_sorted_by_any_of_its_columns(home, words, order):
    assert cells(call("run", "list", *words).stdout) == order
    rows = json.loads(call("run", "list", "--json", *words).stdout)
    assert [row["id"] for row in rows] == order


def test_a_column_that_does_not_exist_is_refused_with_those_that_do(home):
    done = call("run", "list", "--sort=colour")
    assert done.exit_code == 2
    assert "'rounds', 'metric'" in done.stderr


# --- show and export --------------------------------------------------------------------------


def test_without_a_name_the_run_that_goes_on_is_shown_and_named(home):
    assert call("run", "show").stdout.splitlines()[0] == "Run          held"
    assert json.loads(call("run", "show", "--json").stdout)["run"]["status"] == "paused"
    ended = call("run", "show", "late").stdout
    assert "Run   " not in ended
    assert "late has ended: all its rounds are done." in ended.splitlines()


def test_a_model_is_exported_anew_and_its_file_named_only_if_it_is_there(home):
    assert "Models" not in call("run", "show", "early").stdout
    version = json.loads(call("run", "show", "early", "--json").stdout)["run"]["best_version"]
    blobs = Blobs(home / "blobs")
    lost = call("run", "export", "early")
    assert lost.exit_code == 1
    assert f"{version} is missing" in lost.stderr
    blobs.path(version).parent.mkdir(parents=True)
    blobs.path(version).write_bytes(b"altered")
    assert f"{version} was altered" in call("run", "export", "early").stderr
    assert blobs.put(version_bytes("early", 2)) == version
    folder = home / "runs" / "early"
    assert call("run", "export", "early").stdout == (
        f"Exported early: {folder}/best.safetensors, last.safetensors\n"
    )
    assert (folder / "best.safetensors").read_bytes() == version_bytes("early", 2)
    (folder / "best.safetensors").write_bytes(b"what a user makes of it")
    assert blobs.fault(version) is None
    assert f"Models       {folder}/best.safetensors" in call("run", "show", "early").stdout


# --- compare ----------------------------------------------------------------------------------


def test_two_runs_are_compared_by_what_each_level_of_the_metric_cost(home):
    text = call("run", "compare", "late", "early").stdout
    figures, curves, differences = text.split("\n\n")
    assert figures.splitlines()[0].split() == ["late", "early"]
    assert curves.splitlines()[0].split() == [
        "accuracy", "late:", "emitted", "late:", "after", "early:", "emitted", "early:", "after",
    ]  # fmt: skip
    levels = {line.split(" %")[0]: line for line in curves.splitlines()[1:]}
    assert "not reached" not in levels["20.0"]
    assert "not reached" in levels["30.0"]
    named = {line.split()[0]: line.split()[1:] for line in differences.splitlines()[1:]}
    assert named["policy"] == ["all", "greedy"]
    assert named["rounds"] == ["3", "2"]
    assert named["cohort"] == ["-", "2"]


def test_a_comparison_as_json_and_csv_has_every_point(home):
    found = json.loads(call("run", "compare", "late", "early", "--json").stdout)
    assert [run["id"] for run in found["runs"]] == ["late", "early"]
    assert found["level"] == pytest.approx(0.2)
    rows = list(
        csv.DictReader(io.StringIO(call("run", "compare", "late", "early", "--csv").stdout))
    )
    assert [(row["run"], row["round"]) for row in rows] == [
        ("late", "1"), ("late", "2"), ("late", "3"), ("early", "1"), ("early", "2"),
    ]  # fmt: skip
    assert [float(row["accuracy"]) for row in rows] == pytest.approx([0.1, 0.2, 0.3, 0.1, 0.2])
    points = found["first"]["points"]
    assert float(rows[1]["gco2eq"]) == pytest.approx(points[1]["gco2eq"])
    both = call("run", "compare", "late", "early", "--json", "--csv")
    assert (both.exit_code, both.stderr.count("\n")) == (1, 1)


def test_a_run_that_does_not_exist_is_not_compared(home):
    done = call("run", "compare", "late", "erly")
    assert done.stderr == (
        "Error: There is no run 'erly', so nothing was done. Did you mean early?\n"
    )


# --- weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        (10, "Weight       Jain 1.00 by example, 0 % with other clients than the examples\n"),
        (None, "Weight       unknown: not every client was enrolled with --examples\n"),
    ],
)
def test_a_run_weighed_by_participation_shows_its_weight_or_why_it_is_unknown(
    folder, examples, says
):
    made = MemoryWorld("a", "b", hours=[100.0] * 3)
    made.happen(ClientEnrolled(zone="FR", num_examples=examples), client="a")
    made.start("even", rounds=2, policy="all", bias="realised")
    made.play(HOUR)
    write(made, folder)
    assert says in call("run", "show", "even").stdout
