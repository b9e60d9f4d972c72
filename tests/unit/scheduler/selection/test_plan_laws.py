"""Laws that every plan obeys, whatever its policy: whom it invites, and what it says of whom."""

import math
from collections import Counter
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.carbon.grid import Grid
from scheduler.carbon.signals.typical_day import TypicalDay
from scheduler.federation.client import Client
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from scheduler.federation.problem import Problem
from scheduler.federation.round import AssignmentState, Round
from scheduler.gate.gate import Gate, GateRule
from scheduler.ledger.events.gate import State
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.policy import POLICIES
from scheduler.policies.selection_context import PastUpdate
from scheduler.selection.plan import Plan, plan_round
from scheduler.selection.score_weights import WEIGHTS
from scheduler.selection.situation import make_situation
from scheduler.selection.verdict import VERDICTS, why
from tests.unit.scheduler.story import HOUR, NOON, gate, sha, spec

NAMES = [f"c{n}" for n in range(8)]
RULE = GateRule(
    threshold_gco2eq_per_kwh=150.0,
    ceiling_gco2eq_per_kwh=600.0,
    patience=timedelta(hours=72),
    dwell=timedelta(minutes=30),
)


class KnownAhead(Grid):
    """A grid that is asked for the same hours again and again."""

    ahead = cache(Grid.ahead)


GRID = KnownAhead(TypicalDay())

figures = st.none() | st.floats(0.1, 10)
clients = st.builds(
    Client,
    id=st.sampled_from(NAMES),
    zone=st.sampled_from(["FR", "DE", "DK-DK1", "GB", "PL", "nowhere"]),
    num_examples=st.none() | st.integers(1, 500),
    retired=st.sampled_from([False] * 9 + [True]),
    incarnation=st.just("i1"),
    alive=st.sampled_from([True] * 5 + [False]),
    gate=st.none() | st.builds(gate, st.sampled_from(get_args(State)), since=st.just(NOON - HOUR)),
    waiting_since=st.integers(0, 100).map(lambda hours: NOON - hours * HOUR),
    updates=st.integers(0, 5),
    energy_per_update_wh=figures,
    latency_s=figures,
    utility=figures,
)
pasts = st.lists(st.sets(st.sampled_from(NAMES), min_size=1), max_size=3)
cases = st.fixed_dictionaries(
    {
        "people": st.lists(clients, unique_by=lambda client: client.id, max_size=len(NAMES)),
        "busy": st.sets(st.sampled_from(NAMES), max_size=2),
        "failing": st.sets(st.sampled_from(NAMES), max_size=2),
        "spent": st.floats(0, 3),
        "past": pasts,
        "asked": st.fixed_dictionaries(
            {
                "cohort": st.none() | st.integers(2, 5),
                "over_selection": st.sampled_from([0.0, 0.5]),
                "quorum": st.integers(1, 2),
                "grams": st.none() | st.floats(0.5, 5),
                "hours": st.none() | st.sampled_from([24.0, 400.0]),
                "rounds": st.sampled_from([4, 40]),
            }
        ),
    }
)
each_policy = pytest.mark.parametrize("policy", sorted(POLICIES))
some = settings(max_examples=10)


def closed_round(number: int, cohort: set[str]) -> ClosedRound:
    at = NOON - (10 - number) * HOUR
    updates = {client: PastUpdate(1.0, 60.0, 0.1) for client in sorted(cohort)}
    return ClosedRound(
        number, sha("v"), tuple(sorted(cohort)), at, at, 1.0, 1.0, 0.1, None, at, at, None, None,
        {}, updates, sha("v"), None, (),
    )  # fmt: skip


def open_round(busy: set[str]) -> Round:
    parts = {
        name: AssignmentState(name, 0, NOON, "i1", "FR", NOON, NOON + HOUR, 1, "base")
        for name in busy
    }
    return Round(1, sha("v"), NOON, NOON, 1, NOON, NOON + HOUR, parts)


def situation(case: dict[str, Any], policy: str, people: list[Client]):
    """Return what a run of this policy asks for, and the situation of these clients."""
    asked: RunSpec = spec(policy=policy, **case["asked"])
    run, other = (Run(s, NOON - HOUR, NOON - HOUR) for s in (asked, spec(id="other")))
    failing = Problem("failed", 1, None, NOON, in_a_row={"failure": 3})
    run.problems = dict.fromkeys(case["failing"], failing)
    run.totals.counted_gco2eq = case["spent"]
    for number, cohort in enumerate(case["past"], start=1):
        run.closed.append(closed_round(number, cohort))
    other.open_round = open_round(case["busy"])
    state = Federation(clients={c.id: c for c in people}, runs={"r": run, "other": other})
    return asked, make_situation(state, run, GRID, RULE, NOON, wall_now=NOON, weights=WEIGHTS)


def plan(case: dict[str, Any], policy: str, people: list[Client] | None = None) -> Plan:
    asked, now = situation(case, policy, case["people"] if people is None else people)
    return plan_round(asked, now, number=len(case["past"]) + 1, so_far=None)


def judged(case: dict[str, Any], policy: str) -> dict[str, Gate]:
    return dict(situation(case, policy, case["people"])[1].gates)


@each_policy
@given(case=cases)
@some
def test_nobody_is_invited_who_may_not_train(policy, case):
    made, gates = plan(case, policy), judged(case, policy)
    people = {client.id: client for client in case["people"]}
    for name in made.cohort:
        assert gates[name].is_open
        reading = GRID.zone(people[name].zone, NOON).reading
        assert reading is not None
        assert reading.gco2eq_per_kwh <= RULE.ceiling_gco2eq_per_kwh
        assert people[name].alive
        assert not people[name].retired
        assert name not in case["busy"]
        assert name not in case["failing"]


@each_policy
@given(case=cases)
@some
def test_a_round_is_within_the_budget_and_has_its_quorum_or_waits(policy, case):
    made = plan(case, policy)
    assert bool(made.cohort) == (made.waiting is None)
    if made.cohort:
        assert len(made.cohort) >= case["asked"]["quorum"]
        assert made.target <= len(made.cohort) == len(set(made.cohort))
        expected = [v.expected_gco2eq or 0.0 for v in made.verdicts if v.invited]
        assert made.expected_gco2eq == math.fsum(expected)
        if case["asked"]["grams"] is not None:
            assert made.expected_gco2eq <= case["asked"]["grams"] - case["spent"]


@each_policy
@given(case=cases, seed=st.integers(0, 5))
@some
def test_a_plan_depends_on_the_situation_alone_and_on_no_order_of_clients(policy, case, seed):
    made = plan(case, policy)
    assert plan(case, policy) == made
    turned = plan(case, policy, Random(seed).sample(case["people"], len(case["people"])))
    assert set(turned.cohort) == set(made.cohort)
    assert (turned.waiting, turned.target) == (made.waiting, made.target)
    assert turned.expected_gco2eq == made.expected_gco2eq
    assert {v.client: v for v in turned.verdicts} == {v.client: v for v in made.verdicts}


@each_policy
@given(case=cases)
@some
def test_everybody_enrolled_has_one_verdict_with_a_reason(policy, case):
    made, gates = plan(case, policy), judged(case, policy)
    enrolled = Counter(client.id for client in case["people"] if not client.retired)
    assert Counter(verdict.client for verdict in made.verdicts) == enrolled
    assert [v.client for v in made.verdicts if v.invited] == list(made.cohort)
    for verdict in made.verdicts:
        assert verdict.code in VERDICTS
        assert verdict.gate == gates[verdict.client]
        assert verdict.score is not None
        assert 0 <= verdict.score.value <= 1
        assert why(verdict)


def test_a_client_whose_patience_is_spent_is_invited_on_a_dirty_grid():
    # Great Britain at noon: 262 g/kWh, above the threshold and its weekly median, not the ceiling.
    patient, fresh = (
        Client(
            name, "GB", alive=True, gate=gate("closed", since=NOON - 99 * HOUR),
            waiting_since=NOON - waited * HOUR,
        )
        for name, waited in (("patient", 73), ("fresh", 71))
    )  # fmt: skip
    run = Run(spec(quorum=1, policy="all"), NOON, NOON)
    state = Federation(clients={"patient": patient, "fresh": fresh}, runs={"r": run})
    made = plan_round(
        run.spec,
        make_situation(state, run, GRID, RULE, NOON, wall_now=NOON, weights=WEIGHTS),
        number=1,
        so_far=None,
    )
    assert made.cohort == ("patient",)
    assert {v.client: v.gate.state if v.gate else None for v in made.verdicts} == {
        "patient": "open_by_patience",
        "fresh": "closed",
    }
