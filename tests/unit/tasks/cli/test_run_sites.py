"""A run's score says how many sites are behind it, and `run show --sites` what each found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.cli import fairwind
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.tasks.cli.ledger_home import home_of

A: dict[str, float | None] = {"mae": 2.0, "r2": 0.5}
B: dict[str, float | None] = {"mae": 4.0}
SURE = ["a", "b"]


def world() -> MemoryWorld:
    """Return a federation with two runs: site b lacks the metric of the first one at first."""
    made = MemoryWorld(*SURE, scored_here=False, held_out=8)
    made.start("mixed", rounds=2, metric="mae")
    made.engine.advance()
    made.work.reports = {"a": A, "b": {"mae": None}}
    while len(made.run("mixed").closed) < 2:
        made.play_one()
    made.work.reports = {"a": A, "b": B}
    made.play()
    made.work.reports = {"a": {"mae": 1.0}, "b": {"mae": None}}
    made.start("never", rounds=1, metric="mae", stop_when="mae<=0.5")
    made.play()
    here = made.learning
    made.work._held_out = 0
    here._scored_here, here.first = True, {"loss": 0.7, "accuracy": None}
    here.scores = {1: {"loss": 0.6, "accuracy": None}}
    made.start("here", rounds=1)
    made.play()
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with home_of(tmp_path_factory.mktemp("sites"), world()) as folder:
        yield folder


def show(*words: str) -> str:
    done = CliRunner().invoke(fairwind, ["run", "show", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.usefixtures("home")
def test_a_mean_of_some_sites_says_of_how_many():
    lines = [line.split("  ") for line in show("mixed").splitlines()]
    scores = {cells[0]: [cell.strip() for cell in cells if cell][1] for cells in lines
              if cells[0] in "012"}  # fmt: skip
    assert scores == {
        "0": "2 (1 of 2 sites, 8 of 16 examples)",
        "1": "2 (1 of 2 sites, 8 of 16 examples)",
        "2": "3",
    }


@pytest.mark.usefixtures("home")
def test_what_each_site_found_of_each_version_is_listed():
    table = show("mixed", "--sites").splitlines()
    begin = next(n for n, line in enumerate(table) if line.startswith("version"))
    assert table[begin].split() == [
        "version", "site", "evaluated", "on", "mae", "r2", "trained", "on", "training", "loss",
    ]  # fmt: skip
    assert [line.split()[:5] for line in table[begin + 1 : begin + 7]] == [
        ["0", "a", "8", "2", "0.5"],
        ["0", "b", "8", "unknown", "not"],
        ["1", "a", "8", "2", "0.5"],
        ["1", "b", "8", "unknown", "not"],
        ["2", "a", "8", "2", "0.5"],
        ["2", "b", "8", "4", "not"],
    ]


@pytest.mark.usefixtures("home")
def test_as_json_they_are_rows_in_which_unknown_is_null():
    found = json.loads(show("mixed", "--sites", "--json"))
    assert [(row["version"], row["client"]) for row in found["sites"]] == [
        (version, client) for version in (0, 1, 2) for client in SURE
    ]
    assert found["sites"][1]["metrics"] == {"mae": None}
    assert found["sites"][5] == {
        "version": 2, "client": "b", "held_out_examples": 8, "metrics": {"mae": 4.0},
        "examples": 0, "training_loss": None,
    }  # fmt: skip
    assert found["rounds"][0]["reported"] == {
        "sites": 1, "of_sites": 2, "examples": 8, "of_examples": 16,
    }  # fmt: skip
    # Version 1 has the smaller mean, of one site alone.
    assert found["run"]["best_version"] == found["run"]["version"]
    assert "sites" not in json.loads(show("mixed", "--json"))


@pytest.mark.usefixtures("home")
def test_where_no_version_is_the_best_it_is_said():
    shown = show("never")
    assert (
        "No version is the best: of none is the mae known from all sites that evaluated it, so "
        "best.safetensors is the last version."
    ) in shown
    assert "The mae of round 1's version is the mean of 1 of 2 sites" in shown
    assert "So it is unknown whether it reached the goal, mae<=0.5." in shown
    assert json.loads(show("never", "--json"))["run"]["best"] is None


@pytest.mark.usefixtures("home")
def test_a_figure_that_is_nan_at_the_coordinator_is_named():
    shown = show("here", "--sites")
    assert "The accuracy of round 1's version is unknown: NaN or infinite." in shown
    assert "No site evaluates this run" in shown
    assert json.loads(show("here", "--json"))["run"]["first"] is None
