"""Weights that do not cancel: in rounds of like clients, one over the share must count.

Ten sites on wind are invited in 18 of 24 hours, ten on solar power in the 6 at noon, five a round
by turns. Their optima are -1 and +1, so the truth is 0. A client's part is 5/10 * 18/24 and
5/10 * 6/24 of the rounds: it weighs 2/3 or 2 of an even one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.federation.applied_weight import AppliedWeight, applied_weight
from scheduler.ledger.events import RoundCommitted
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult
from scheduler.rounds.running_divisor import FURTHEST, running_divisor
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.rounds.quadratics import Quadratics

WIND, SUN = [f"wind-{n}" for n in range(10)], [f"sun-{n}" for n in range(10)]
DAY, DAYS = 24, 12
OPTIMA = dict.fromkeys(WIND, -1.0) | dict.fromkeys(SUN, 1.0)


def by_turns(context: SelectionContext) -> SelectionResult:
    """Invite five of those that have power, with one over their share as weights."""
    noon = context.number % DAY < DAY // 4
    kind, first = (SUN, 2.0) if noon else (WIND, 2 / 3), 5 * (context.number % 2)
    names, weight = kind
    cohort = names[first : first + 5]
    return SelectionResult(cohort, weights=dict.fromkeys(cohort, weight))


def all_alike(context: SelectionContext) -> SelectionResult:
    """Invite the same, without weights."""
    return SelectionResult(by_turns(context).cohort)


def hour_by_hour(world: MemoryWorld) -> None:
    """Let the run go on to its end, with nothing between one round and the next."""
    world.engine.advance()
    while world.run().ended_at is None:
        if world.work.next_arrival is None:
            world.clock.now = max(world.clock.now, world.run().due_at or world.clock.now)
            world.engine.advance()
        else:
            world.play_one()


@cache
def played(policy: str, bias: str | None) -> tuple[float, AppliedWeight | None]:
    """Return the mean of the last day's versions, and whose weight made all of them."""
    learning = Quadratics(OPTIMA, step=0.03)
    world = MemoryWorld(*WIND, *SUN, learning=learning)
    world.start(
        policy=f"{__name__}:{policy}", bias=bias, rounds=DAY * DAYS, cohort=5, quorum=5,
        cron="30 * * * *", server_optimizer={"name": "fedavg"},
    )  # fmt: skip
    hour_by_hour(world)
    closed = list(world.run().closed)
    assert len(closed) == DAY * DAYS
    last = [learning.values[each.version] for each in closed[-DAY:]]
    return sum(last) / DAY, applied_weight(world.run(), world.history.state.clients)


def test_weights_divided_by_their_own_round_do_nothing_where_its_clients_are_alike():
    # The mean of -1 in 18 hours and +1 in 6.
    assert played("all_alike", None)[0] == pytest.approx(-0.50, abs=0.005)
    assert played("by_turns", None)[0] == played("all_alike", None)[0]


def test_weights_divided_by_the_mean_total_of_a_day_make_the_truth():
    assert played("by_turns", "running")[0] == pytest.approx(0.005, abs=0.01)


def test_realised_weights_make_the_truth_without_a_word_of_the_policy():
    # Nine tenths of the way in twelve days: five participations are added to 108 and to 36, so a
    # client weighs 77/113 = 0.68 and 77/41 = 1.88 instead of 2/3 and 2 of an even one.
    mean, applied = played("all_alike", "realised")
    assert mean == pytest.approx(-0.056, abs=0.01)
    assert applied is not None
    assert applied.total_variation < 0.08


def test_applied_weight_says_so():
    unlike, alike = played("by_turns", None)[1], played("by_turns", "running")[1]
    assert unlike is not None
    assert alike is not None
    # 3/4 of the weight in 1/2 of the examples; 10 clients of 3, 10 of 1: 40^2 / (20 * 100).
    assert (unlike.jain, unlike.total_variation) == pytest.approx((0.8, 0.25), abs=0.005)
    assert (alike.jain, alike.total_variation) == pytest.approx((1.0, 0.0), abs=0.02)


def test_rounds_without_weights_are_divided_by_their_own_total():
    assert played("all_alike", "running")[0] == played("all_alike", None)[0]


def committed(**asked: Any) -> list[RoundCommitted]:
    world = MemoryWorld(*WIND, *SUN, learning=Quadratics(OPTIMA, step=0.03))
    world.start(
        policy=f"{__name__}:by_turns", bias="running", cohort=5, quorum=5, cron="30 * * * *",
        rounds=7, **asked,
    )  # fmt: skip
    hour_by_hour(world)
    return [e.payload for e in world.history.events if isinstance(e.payload, RoundCommitted)]


def test_manifest_states_the_round_s_total_and_the_mean_by_which_it_is_divided():
    # 5 clients of 10 examples that count 2 in rounds 1 to 5, then 0.667.
    found = committed()
    assert [each.total for each in found] == [100_000] * 5 + [33_350] * 2
    assert [each.divisor for each in found] == [100_000] * 5 + [88_892, 80_957]


def test_with_fednova_the_mean_over_steps_is_scaled_alike():
    for mine, plain in zip(committed(algorithm="fednova"), committed(), strict=True):
        assert (mine.total, plain.total) == (plain.total, mine.total)
        assert mine.divisor is not None
        assert plain.divisor is not None
        # One step each: FedNova is FedAvg.
        applied = [line.weight / mine.divisor for line in mine.manifest]
        assert applied == pytest.approx([x.weight / plain.divisor for x in plain.manifest], 1e-4)


@given(total=st.integers(1, 10**12), before=st.lists(st.integers(1, 10**12)))
def test_no_round_moves_further_than_four_means_nor_less_than_a_quarter(total, before):
    divisor = running_divisor(total, before)
    assert 1 / FURTHEST <= total / divisor <= FURTHEST
    assert running_divisor(total, [total] * len(before)) == total


@pytest.mark.parametrize(
    "asked", [{"mode": "async", "buffer": 2}, {"late": "count"}, {"algorithm": "scaffold"}]
)
def test_runs_that_weigh_updates_their_own_way_are_refused(asked: dict[str, Any]):
    with pytest.raises(ValueError, match="leave out --bias running"):
        RunSpec(id="r", workload="digits", rounds=1, bias="running", **asked)
