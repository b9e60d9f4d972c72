"""The last version of a run is scored like all others, by whoever has test data."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
from torch.utils.data import TensorDataset

from models.evaluation import evaluate
from models.workload import load_workload
from models.workloads import digits
from scheduler.ledger.events import AssignmentEvaluated, RoundEvaluated, RoundPlanned
from tests.fakes import site_tested
from tests.integration.conftest import SITE_TESTED
from tests.integration.fleet import Fleet, assert_accounted_for

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
    first, last = (closed.metrics or {} for closed in ended.closed)
    assert 0 < first["accuracy"] < last["accuracy"] == ended.best_value
    assert ended.best_version == ended.version
    folder = fleet.home / "runs" / run
    best, saved = (folder / f"{name}.safetensors" for name in ("best", "last"))
    assert best.read_bytes() == saved.read_bytes()
    code = load_workload(workload, allowed=(workload,))
    state = safetensors.torch.load_file(saved)
    metrics = [evaluate(code, code.model(), state, data) for data in scored_on(workload)]
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
