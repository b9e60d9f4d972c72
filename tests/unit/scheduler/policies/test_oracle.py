"""The oracle: the plan of least grams for the rest of the run, given that the forecast is true."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies.oracle import select
from scheduler.policies.policy import policy_options
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.policies import laws

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def client(name: str, *ahead: float, **changes: Any) -> Candidate:
    """Return a client in a zone of its own, of 1 kWh an update, so that grams are intensities."""
    fields: dict[str, Any] = {
        "zone": name.upper(), "energy_wh": 1000.0, "num_examples": 10,
        "forecast_gco2eq_per_kwh": ahead,
        "intensity_gco2eq_per_kwh": ahead[0] if ahead else None,
    }  # fmt: skip
    return Candidate(name, **(fields | changes))


def ask(*candidates: Candidate, **changes: Any) -> SelectionResult:
    options = policy_options("oracle", changes.pop("options", {}))
    fields: dict[str, Any] = {"wanted": 1, "quorum": 1, "number": 1, "now": NOW, "rounds_left": 1}
    return select(
        SelectionContext(candidates, **(fields | {"rng": Random(0), "options": options} | changes))
    )


def test_a_round_waits_for_the_hour_of_least_grams():
    answer = ask(client("a", 300.0, 200.0, 100.0, 400.0))
    assert answer.cohort == ()
    assert answer.because["in_h"] == 2
    assert ask(client("a", 100.0, 200.0)).cohort == ["a"]


def test_as_many_rounds_as_hours_leave_no_choice():
    assert ask(client("a", 300.0, 200.0, 100.0), rounds_left=3).cohort == ["a"]


def test_the_run_ends_before_the_clean_hour():
    assert ask(client("a", 300.0, 400.0, 100.0), hours_left=2.0).cohort == ["a"]
    # At 12:30 an hour and a half ends with 14:00; two hours reach into the third.
    late = {"now": NOW + timedelta(minutes=30)}
    assert ask(client("a", 300.0, 400.0, 100.0), hours_left=1.5, **late).cohort == ["a"]
    assert ask(client("a", 300.0, 400.0, 100.0), hours_left=2.0, **late).cohort == ()


def test_one_round_an_hour_unless_there_are_more_rounds_than_hours():
    past = [PastRound(1, NOW, {"a": PastUpdate(1.0, 60.0, 100.0)})]
    lone = client("a", 100.0, 300.0)
    later = {"past": past, "now": NOW + timedelta(minutes=10)}
    assert ask(lone, rounds_left=1, **later).cohort == ()
    assert ask(lone, rounds_left=3, **later).cohort == ["a"]


def test_everybody_has_its_share_of_the_rounds_when_fairness_asks_for_it():
    # Two rounds of one: with fairness 1 each trains once, b in its better hour, which is now.
    pair = client("a", 10.0, 20.0), client("b", 500.0, 900.0)
    assert ask(*pair, rounds_left=2, options={"fairness": 1.0}).cohort == ["b"]
    assert ask(*pair, rounds_left=2, options={"fairness": 0.5}).cohort == ["a"]


def test_who_took_part_before_has_less_left():
    past = [PastRound(1, NOW - timedelta(hours=2), {"a": PastUpdate(1.0, 60.0, 10.0)})]
    pair = client("a", 10.0), client("b", 500.0)
    assert ask(*pair, past=past, options={"fairness": 1.0}).cohort == ["b"]
    assert ask(*pair, options={"fairness": 0.5}).cohort == ["a"]


def test_a_budget_keeps_rounds_for_hours_it_can_pay():
    lone = client("a", 300.0, 100.0, 150.0)
    assert ask(lone, rounds_left=3, grams=260.0).because["in_h"] == 1
    assert ask(lone, rounds_left=3, grams=560.0).cohort == ["a"]


def test_a_round_has_no_more_clients_than_places_and_waits_for_a_quorum():
    trio = [client(c, 100.0) for c in "abc"]
    assert len(ask(*trio, wanted=2).cohort) == 2
    assert ask(*trio[:1], wanted=2, quorum=2).cohort == ()


def test_clients_of_one_zone_that_are_alike_take_turns():
    alike = [client(c, 100.0, zone="FR") for c in "abc"]
    past = [PastRound(1, NOW - timedelta(hours=2), {"a": PastUpdate(1.0, 60.0, 100.0)})]
    assert ask(*alike, wanted=2, past=past).cohort == ["b", "c"]


def test_an_unknown_grid_is_left_out_and_an_unknown_energy_is_the_median():
    assert ask(client("a", 100.0), client("b"), wanted=2).cohort == ["a"]
    assert ask(client("b")).because["code"] == "grid_unknown"
    assert ask().cohort == ()
    assert ask(client("a", 100.0, energy_wh=None)).cohort == ["a"]


def roll(grids: dict[str, list[float]], rounds: int, wanted: int, fairness: float) -> Counter[str]:
    """Return how often each trained, and under "grams" all that was emitted, hour by hour."""
    past: list[PastRound] = []
    done: Counter[str] = Counter()
    hours = len(next(iter(grids.values())))
    for hour in range(hours):
        if len(past) == rounds:
            break
        at = NOW + timedelta(hours=hour)
        answer = ask(
            *(client(c, *ahead[hour:]) for c, ahead in grids.items()), now=at, past=past,
            wanted=wanted, rounds_left=rounds - len(past), hours_left=float(hours - hour),
            options={"fairness": fairness},
        )  # fmt: skip
        if answer.cohort:
            past.append(PastRound(
                len(past) + 1, at, {c: PastUpdate(1.0, 1.0, 1.0) for c in answer.cohort}
            ))  # fmt: skip
            done.update(answer.cohort)
            done["grams"] += sum(int(grids[c][hour]) for c in answer.cohort)
    assert len(past) == rounds
    return done


days = st.lists(st.integers(1, 9).map(float), min_size=4, max_size=4)


@settings(deadline=None, max_examples=30)
@given(a=days, b=days, c=days, rounds=st.sampled_from([3]))
def test_asked_hour_by_hour_it_emits_the_least_there_is(a, b, c, rounds):
    # Three rounds of one, each client once: try every order of clients in every choice of hours.
    grids = {"a": a, "b": b, "c": c}
    least = min(
        sum(grids[who][t] for t, who in zip(when, order, strict=True))
        for when in combinations(range(4), rounds)
        for order in product("abc", repeat=rounds)
        if len(set(order)) == rounds
    )
    done = roll(grids, rounds, 1, 1.0)
    assert done["grams"] == least


@settings(deadline=None, max_examples=15)
@given(grids=st.lists(days, min_size=2, max_size=4), wanted=st.integers(1, 2))
def test_participation_is_fair_at_the_end(grids, wanted):
    named = {chr(97 + n): ahead * 2 for n, ahead in enumerate(grids)}
    done = roll(named, 6, wanted, 0.8)
    counts = [done[c] for c in named]
    assert sum(counts) ** 2 / (len(counts) * sum(n * n for n in counts)) >= 0.7


OPTIONS = policy_options("oracle", {})


@settings(deadline=None, max_examples=40)
@given(question=laws.questions(OPTIONS))
def test_the_answer_is_lawful(question):
    laws.assert_lawful(lambda asked: list(select(asked).cohort), question)
