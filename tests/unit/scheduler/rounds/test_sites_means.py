"""A mean is over the sites that reported the figure: unknown is not zero, and is not dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.federation.accepted import Evaluated
from scheduler.ledger.events import Coverage, Evaluation, RunEnded
from scheduler.rounds.payloads import mean_over_sites
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def mean(*sites: Evaluated) -> Evaluation:
    found = mean_over_sites(sites)
    assert found is not None
    return found


def test_a_metric_that_one_of_two_sites_does_not_know_is_the_other_ones():
    found = mean(Evaluated({"accuracy": 0.9}, 64), Evaluated({"accuracy": None}, 64))
    assert found.metrics == {"accuracy": 0.9}
    assert (found.sites, found.examples) == (2, 128)
    assert found.partly == {"accuracy": Coverage(sites=1, examples=64)}


def test_a_name_that_only_some_sites_have_is_a_mean_over_these():
    found = mean(
        Evaluated({"accuracy": 0.5, "auc": 0.8}, 30),
        Evaluated({"accuracy": 0.7}, 10),
        Evaluated({"accuracy": 0.5, "auc": 0.6}, 10),
    )
    # (30 * 0.5 + 10 * 0.7 + 10 * 0.5) / 50 = 0.54; (30 * 0.8 + 10 * 0.6) / 40 = 0.75
    assert found.metrics == pytest.approx({"accuracy": 0.54, "auc": 0.75})
    assert found.partly == {"auc": Coverage(sites=2, examples=40)}


def test_a_metric_that_no_site_knows_is_unknown_and_named():
    found = mean(Evaluated({"auc": None}, 5), Evaluated({"auc": None}, 5))
    assert found.metrics == {"auc": None}
    assert found.partly == {"auc": Coverage(sites=0, examples=0)}


def test_a_site_without_held_out_examples_evaluated_nothing():
    found = mean(Evaluated({}, 0), Evaluated({"accuracy": 0.4}, 8))
    assert (found.sites, found.partly, found.metrics) == (1, {}, {"accuracy": 0.4})
    assert mean_over_sites([Evaluated({}, 0)]) is None


@given(
    st.lists(
        st.tuples(st.none() | st.floats(-1e308, 1e308), st.integers(1, 2**39)), min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_mean_lies_among_its_values_and_no_order_changes_it(sites, rng):
    some = [Evaluated({"m": value}, count) for value, count in sites]
    found = mean(*some).metrics["m"]
    known = [value for value, _ in sites if value is not None]
    if not known:
        assert found is None
    else:
        assert found is not None
        slack = 1e-9 * max(map(abs, known))
        assert min(known) - slack <= found <= max(known) + slack
    rng.shuffle(some)
    assert mean(*some).metrics["m"] == found


# --- what a run makes of them -----------------------------------------------------------------


def scored_by_sites(**asked) -> MemoryWorld:
    world = MemoryWorld("a", "b", scored_here=False, held_out=64)
    world.start(**asked)
    return world


def test_a_version_whose_metric_one_site_lacks_is_not_the_best():
    world = scored_by_sites(rounds=3, metric="loss")
    world.work.reports = {"a": {"loss": 0.5}, "b": {"loss": 0.7}}
    world.engine.advance()
    while len(world.run().closed) < 2:
        world.play_one()
    # Version 2 has a loss at a alone, and it is the least of all.
    world.work.reports = {"a": {"loss": 0.1}, "b": {"loss": None}}
    while len(world.run().closed) < 3:
        world.play_one()
    world.work.reports = {"a": {"loss": 0.6}, "b": {"loss": 0.7}}
    world.play()
    run = world.run()
    assert [c.metrics and c.metrics["loss"] for c in run.closed] == pytest.approx([0.6, 0.1, 0.65])
    assert run.best_version == run.closed[0].version
    assert run.best_value == pytest.approx(0.6)


def test_without_a_version_that_all_reported_the_last_one_is_given():
    world = scored_by_sites(rounds=2)
    world.work.reports = {"a": {"accuracy": 0.9}, "b": {"accuracy": None}}
    world.play()
    run = world.run()
    (ended,) = [e.payload for e in world.history.events if isinstance(e.payload, RunEnded)]
    assert (run.best_version, run.best_value, run.last_value) == (None, None, 0.9)
    assert ended.best_version == run.version


def test_a_figure_that_the_coordinator_cannot_know_is_kept_by_its_name():
    world = MemoryWorld("a", "b")
    world.learning.scores = {1: {"accuracy": 0.5, "auc": None}, 2: {"accuracy": None}}
    world.start(rounds=2)
    world.play()
    run = world.run()
    assert [c.metrics for c in run.closed] == [{"accuracy": 0.5, "auc": None}, {"accuracy": None}]
    assert run.best_version == run.closed[0].version
