"""The last version of a run is scored like all others, by whoever has test data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import safetensors.torch
from torch.utils.data import TensorDataset

from models.evaluation import evaluate
from models.workload import load_workload
from models.workloads import digits
from scheduler.ledger.events import AssignmentEvaluated, RoundEvaluated, RoundPlanned
from tests.fakes import both_tested, site_tested
from tests.integration.conftest import BOTH_TESTED, SITE_TESTED
from tests.integration.fleet import Fleet, assert_accounted_for
from tests.known import known

COHORT = ("north", "odd", "west")


@pytest.mark.parametrize("workload", ["digits", SITE_TESTED])
def test_two_rounds_have_two_scores_and_the_last_version_may_be_the_best(
    fleet: Fleet, workload: str
) -> None:
    run = f"two-scores-{workload.rpartition('.')[2]}"
    fleet.start_run(run, workload, rounds=2, quorum=len(COHORT), epochs=3)
    ended = fleet.wait_ended(run)
    scored = [e for e in fleet.ledger.events(run=run) if isinstance(e.payload, RoundEvaluated)]
    assert [event.round for event in scored] == [1, 2]
    first, last = (known(closed.metrics) for closed in ended.closed)
    assert 0 < first["accuracy"] < last["accuracy"] == ended.best_value
    assert ended.best_version == ended.version
    folder = fleet.home / "runs" / run
    best, saved = (folder / f"{name}.safetensors" for name in ("best", "last"))
    assert best.read_bytes() == saved.read_bytes()
    code = load_workload(workload, allowed=(workload,))
    state = safetensors.torch.load_file(saved)
    metrics = [known(evaluate(code, code.model(), state, data)) for data in scored_on(workload)]
    sizes = [len(data) for data in scored_on(workload)]
    for name, value in last.items():
        mean = sum(m[name] * n for m, n in zip(metrics, sizes, strict=True)) / sum(sizes)
        assert value == pytest.approx(mean)
    assert_accounted_for(fleet, run)


def scored_on(workload: str) -> list[TensorDataset]:
    """Return the data on which a version is scored: the coordinator's, or those of the sites."""
    if workload == SITE_TESTED:
        return [site_tested.held_out_data(client) for client in COHORT]
    return [digits.test_data()]


def test_who_scores_the_last_version_is_paid_for(fleet: Fleet) -> None:
    fleet.start_run("paid-score", SITE_TESTED, rounds=1, quorum=len(COHORT))
    ended = fleet.wait_ended("paid-score")
    *_, planned = fleet.payloads(RoundPlanned, "paid-score")
    assert planned.evaluates
    assert planned.base_version == ended.version
    assert set(planned.cohort) == set(ended.closed[0].cohort) == set(COHORT)
    work = [event.work for event in fleet.payloads(AssignmentEvaluated, "paid-score")]
    assert len(work) == len(COHORT)
    used = sum(each.energy_wh or 0.0 for each in work)
    grams = sum(each.gco2eq or 0.0 for each in work)
    assert min(used, grams) > 0
    seen = json.loads(fleet.local.fairwind("status", "--run=paid-score", "--json").stdout)
    assert seen["run"]["uncounted_wh"] == pytest.approx(used)
    assert seen["run"]["uncounted_gco2eq"] >= grams
    assert "In no model" in fleet.local.fairwind("status", "--run=paid-score").stdout
    done = fleet.local.fairwind("report", "paid-score", "--json")
    assert done.returncode == 0, done.stderr
    outcomes = {line["name"]: line for line in json.loads(done.stdout)["outcomes"]}
    assert outcomes["evaluated"]["figures"]["energy_wh"] == pytest.approx(used)


def test_both_evaluate_every_version_where_a_run_asks_for_it(fleet: Fleet, tmp_path: Path) -> None:
    fleet.start_run("both", BOTH_TESTED, rounds=2, quorum=len(COHORT), evaluate="both")
    ended = fleet.wait_ended("both")
    made = fleet.payloads(RoundEvaluated, "both")
    assert sorted((each.by, each.sites) for each in made) == [
        ("coordinator", 0), ("coordinator", 0), ("sites", 3), ("sites", 3),
    ]  # fmt: skip
    state = safetensors.torch.load_file(fleet.home / "runs" / "both" / "last.safetensors")
    on_test = evaluate(both_tested, digits.model(), state, digits.test_data())
    last = ended.closed[-1]
    assert known(last.metrics) == pytest.approx(known(on_test))
    found = {
        client: evaluate(both_tested, digits.model(), state, both_tested.held_out_data(client))
        for client in COHORT
    }
    shown = json.loads(fleet.local.fairwind("run", "show", "both", "--sites", "--json").stdout)
    rows = [row for row in shown["sites"] if row["version"] == 2]
    assert {row["client"]: row["metrics"]["accuracy"] for row in rows} == pytest.approx(
        {client: known(metrics)["accuracy"] for client, metrics in found.items()}
    )
    assert_accounted_for(fleet, "both")
    done = fleet.local.fairwind("run", "export", "both", "--csv", str(tmp_path))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "sites.csv").open(newline="") as file:
        work = list(csv.DictReader(file))
    assert {row["client"]: float(row["accuracy"]) for row in work if row["version"] == "2"} == (
        pytest.approx({client: known(metrics)["accuracy"] for client, metrics in found.items()})
    )
    with (tmp_path / "emissions.csv").open(newline="") as file:
        kg = sum(float(row["emissions"]) for row in csv.DictReader(file))
    # Settled or not, that is what the run's book has, of work in the model and of scoring.
    assert kg == pytest.approx(fleet.state().runs["both"].totals.settled_gco2eq / 1000)
