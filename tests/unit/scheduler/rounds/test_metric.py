"""Which way a metric is better is said once, and one that nobody reports stops a run at once."""

from __future__ import annotations

import pytest

from scheduler.ledger.events import AssignmentReissued, RoundPlanned
from tests.unit.scheduler.rounds.memory_world import MemoryWorld

FALLING = {n: {"score": value} for n, value in enumerate([5.18, 4.16, 3.34, 2.68], start=1)}


@pytest.mark.parametrize(
    ("metric", "asked", "stated", "best"),
    [
        ("mae", {}, False, 4),  # a known name
        ("mae", {"minimize": False}, False, 1),  # what the run says comes first
        ("score", {}, False, 1),
        ("score", {}, True, 4),  # the workload states it
        ("score", {"minimize": False}, True, 1),
        ("-score", {}, False, 4),
        ("score", {"minimize": True}, False, 4),
    ],
)
def test_the_best_version_is_the_least_where_less_is_better(metric, asked, stated, best):
    name = metric.lstrip("-")
    world = MemoryWorld("a", "b")
    world.learning.lower_is_better = stated
    world.learning.scores = {n: {name: found["score"]} for n, found in FALLING.items()}
    world.start(rounds=4, metric=metric, **asked)
    world.play()
    run = world.run()
    assert run.best_version == run.closed[best - 1].version
    assert run.best_value == FALLING[best]["score"]
    assert run.lower_is_better == (best == 4)


def test_a_metric_that_the_first_version_does_not_have_blocks_the_run_before_any_work():
    world = MemoryWorld("a", "b")
    world.learning.first = {"loss": 0.7, "roc_auc": 0.5}
    world.start(metric="rocauc")
    world.play()
    blocked = world.run().blocked
    assert blocked is not None
    assert blocked.step == "open"
    assert "reports no metric 'rocauc'" in blocked.text
    assert "it reports loss, roc_auc. Did you mean --metric roc_auc?" in blocked.text
    assert not world.work.sent


def test_a_metric_that_is_not_finite_yet_is_reported_all_the_same():
    world = MemoryWorld("a", "b")
    world.learning.first = {"accuracy": None}
    world.start(rounds=1)
    world.play()
    first = world.run().first_evaluation
    assert first is not None
    assert first.metrics == {"accuracy": None}
    assert world.run().end_reason == "rounds"


def test_a_metric_that_no_site_reports_blocks_the_run_after_its_first_round():
    world = MemoryWorld("a", "b", scored_here=False, held_out=5)
    world.start(rounds=5, metric="acuracy")
    world.play()
    run, planned = world.run(), [e for e in world.history.events if e.kind == RoundPlanned.kind]
    assert (len(run.closed), len(planned)) == (1, 1)
    assert run.blocked is not None
    assert run.blocked.step == "plan"
    assert "Did you mean --metric accuracy?" in run.blocked.text
    world.stop()
    world.engine.advance()
    assert world.run().end_reason == "stopped"
    assert AssignmentReissued.kind not in world.kinds()


def test_a_metric_that_only_some_sites_report_stops_nothing():
    world = MemoryWorld("a", "b", scored_here=False, held_out=5)
    world.work.reports = {"a": {"auc": 0.9}, "b": {"accuracy": 0.5}}
    world.start(rounds=2, metric="auc")
    world.play()
    assert world.run().end_reason == "rounds"
    assert world.run().first_evaluation is not None
