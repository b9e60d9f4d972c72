"""Alpha-fair slack: the plan over the forecast says who trains now, and when to wait."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies import alpha_fair
from scheduler.policies.alpha_fair import _closing_rounds, _grams, _greedy, _Problem, _state
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def client(name: str, *ahead: float, energy_wh: float | None = 1000.0) -> Candidate:
    """Return a client of 1 kWh an update, so that grams are intensities."""
    now = ahead[0] if ahead else None
    return Candidate(
        name, energy_wh=energy_wh, intensity_gco2eq_per_kwh=now, forecast_gco2eq_per_kwh=ahead
    )


def closed(number: int, **gco2eq: float | None) -> PastRound:
    updates = {name: PastUpdate(1.0, 60.0, grams) for name, grams in gco2eq.items()}
    return PastRound(number, NOW - timedelta(hours=1), updates)


def ask(*candidates: Candidate, **changes: Any) -> SelectionContext:
    fields: dict[str, Any] = {
        "wanted": 2,
        "quorum": 1,
        "number": 1,
        "now": NOW,
        "rng": Random(0),
        "options": {"alpha": 0.1, "horizon_h": 24.0, "closing": 0.0},
    }
    return SelectionContext(candidates, **(fields | changes))


def select(context: SelectionContext) -> list[str]:
    """Return the cohort."""
    return list(alpha_fair.select(context).cohort)


PAIR = (client("a", 100.0, 50.0), client("b", 200.0, 300.0))


def test_fairness_serves_everybody_before_anybody_twice():
    # g_max = 300. Gain per gram, alpha = 0.1: a later 250^0.1 / 50 = 0.0347, a now
    # 200^0.1 / 100 = 0.0170, b now 100^0.1 / 200 = 0.0079, b later 0. First a later; then a now
    # adds only (450^0.1 - 250^0.1) / 100 = 0.0011, so b now: 250 g in all, and 10 g are left.
    assert select(ask(*PAIR, grams=260.0)) == ["b"]


def test_alpha_of_one_serves_the_greenest_twice():
    # a later 250 / 50 = 5, a now 200 / 100 = 2, b now 100 / 200 = 0.5: after a's two slots
    # 110 g are left, too few for b.
    options = {"alpha": 1.0, "horizon_h": 24.0, "closing": 0.0}
    assert select(ask(*PAIR, grams=260.0, options=options)) == ["a"]


def test_what_is_spent_counts_against_the_budget():
    # 260 g of 1000 g are left: as above. With 360 g left, a now is affordable, too.
    assert select(ask(*PAIR, grams=1000.0, spent_gco2eq=740.0)) == ["b"]
    assert select(ask(*PAIR, grams=1000.0, spent_gco2eq=640.0)) == ["a", "b"]
    assert select(ask(*PAIR, grams=1000.0, spent_gco2eq=1000.0)) == []


def test_who_trained_before_comes_later():
    # 100 g are left: one of two alike, and b's sum is already g_max - 100 = 200 (g_max = 300 by
    # c, whom nothing is left for): a gains 200^0.1 = 1.70, b (400^0.1 - 200^0.1) = 0.12.
    trio = (client("a", 100.0), client("b", 100.0), client("c", 300.0))
    for seed in range(5):
        question = ask(*trio, grams=100.0, past=[closed(1, b=100.0)], rng=Random(seed))
        assert select(question) == ["a"]


def test_a_past_update_of_unknown_grams_counts_as_the_clients_grams_now():
    trio = (client("a", 100.0), client("b", 100.0), client("c", 300.0))
    for seed in range(5):
        question = ask(*trio, grams=100.0, past=[closed(1, b=None)], rng=Random(seed))
        assert select(question) == ["a"]


def test_a_run_without_grams_waits_for_hours_in_which_its_rounds_emit_less():
    # One round is left, which now would emit 400 + 300 g: it is held in the hour after next.
    pair = (client("a", 400.0, 350.0, 100.0), client("b", 300.0, 350.0, 200.0))
    assert select(ask(*pair, rounds_left=1)) == []
    # Three rounds in three hours leave no slack.
    assert select(ask(*pair, rounds_left=3)) == ["a", "b"]
    assert select(
        ask(*pair, rounds_left=1, options={"alpha": 0.1, "horizon_h": 1.0, "closing": 0.0})
    ) == ["a", "b"]


def test_the_window_gets_its_share_of_the_budget():
    # Four rounds are left of a 400 g budget and two hours are known: 200 g for the two, which pays
    # for the second alone (a quorum costs 150 g at most). All 400 g would pay for now, too.
    lone = client("a", 150.0, 100.0)
    assert select(ask(lone, grams=400.0, rounds_left=4)) == []
    assert select(ask(lone, grams=400.0, rounds_left=2)) == ["a"]


def test_a_thin_budget_still_pays_for_a_quorum():
    # A thousand rounds are left of 500 g: the share of one hour is half a gram, of which no round
    # could ever be held; a quorum of two costs 2 * 100 g at most.
    pair = (client("a", 100.0), client("b", 80.0))
    assert select(ask(*pair, quorum=2, grams=500.0, rounds_left=1000)) == ["a", "b"]


def test_hours_for_fewer_than_the_quorum_are_given_up_for_fuller_ones():
    # g_max = 290: a later 240^0.1 / 50 = 0.0346, then b now 140^0.1 / 150 = 0.0109, and 50 g are
    # left. Both hours are short of two: the later one is given up first, and now 100 + 150 g pay
    # for both.
    pair = (client("a", 100.0, 50.0), client("b", 150.0, 290.0))
    assert select(ask(*pair, quorum=1, grams=250.0)) == ["b"]
    assert select(ask(*pair, quorum=2, grams=250.0)) == ["a", "b"]


def test_a_round_has_as_many_places_as_are_wanted():
    # Enough budget for all: the two of the greatest gain per gram.
    trio = (client("a", 100.0), client("b", 50.0), client("c", 200.0))
    assert select(ask(*trio, wanted=2, grams=1000.0)) == ["a", "b"]
    assert select(ask(*trio, wanted=0, grams=1000.0)) == []


def test_flat_grids_do_not_wait_and_serve_by_chance():
    alike = [client(f"c{i}", 100.0, 100.0) for i in range(4)]
    met = set()
    for seed in range(40):
        chosen = select(ask(*alike, rounds_left=1, rng=Random(seed)))
        assert len(chosen) == 2
        met.update(chosen)
    assert met == {"c0", "c1", "c2", "c3"}


def test_clean_power_is_taken_first():
    # At 0 g nothing is spent: infinitely good per gram.
    assert select(ask(client("a", 0.0), client("b", 1.0), grams=0.5)) == ["a"]


def test_an_unknown_energy_counts_as_the_median_of_the_known():
    # b's median of 1000 Wh and 3000 Wh is 2000 Wh: 100 g. 99 g pay for neither b nor c (150 g).
    trio = (client("a", 50.0), client("b", 50.0, energy_wh=None), client("c", 50.0, energy_wh=3e3))
    assert select(ask(*trio, wanted=3, grams=149.0)) == ["a"]
    assert select(ask(*trio, wanted=3, grams=150.0)) == ["a", "b"]


def test_while_no_energy_is_known_the_places_are_drawn():
    strangers = [client(f"c{i}", 100.0 * i, energy_wh=None) for i in range(4)]
    draws = [select(ask(*strangers, grams=1.0, rng=Random(seed))) for seed in range(40)]
    assert {len(draw) for draw in draws} == {2}
    assert {name for draw in draws for name in draw} == {"c0", "c1", "c2", "c3"}


def test_a_client_on_an_unknown_grid_is_left_out():
    assert select(ask(client("a", 100.0), client("b"), grams=1000.0)) == ["a"]
    assert select(ask(client("b"), grams=1000.0)) == []
    assert select(ask()) == []


grams_ = st.lists(st.floats(0, 900), min_size=1, max_size=5)
problems = st.builds(
    lambda rows, k, alpha, rounds, wanted: _Problem(
        g={f"c{i}": row for i, row in enumerate(rows)},
        x={f"c{i}": 10.0 * i for i in range(len(rows))},
        g_max=max(max(row) for row in rows),
        k=k,
        alpha=alpha,
        rounds=rounds,
        wanted=wanted,
    ),
    rows=st.lists(grams_, min_size=1, max_size=4),
    k=st.floats(0, 5000),
    alpha=st.sampled_from([0.1, 0.5, 1.0]),
    rounds=st.integers(1, 5),
    wanted=st.integers(0, 4),
)


def by_the_book(problem: _Problem) -> dict[int, list[str]]:
    """Return the greedy plan as the paper words it: look at every slot each time."""
    x, left, plan = dict(problem.x), problem.k, dict[int, list[str]]()
    order = list(problem.g)
    while True:
        free = [
            (-problem.gain_per_gram(x[c], g_ct), t, order.index(c))
            for c, g_c in problem.g.items()
            for t, g_ct in enumerate(g_c)
            if g_ct <= left and c not in plan.get(t, []) and len(plan.get(t, [])) < problem.wanted
            if t in plan or len(plan) < problem.rounds
        ]
        if not free:
            return plan
        _, t, rank = min(free)
        c = order[rank]
        plan.setdefault(t, []).append(c)
        left -= problem.g[c][t]
        x[c] += problem.g_max - problem.g[c][t]


@given(problem=problems)
def test_the_heap_finds_the_plan_that_looking_at_every_slot_finds(problem):
    plan = _greedy(problem, set(range(5)))
    assert plan == by_the_book(problem)
    assert sum(problem.g[c][t] for t in plan for c in plan[t]) <= problem.k * (1 + 1e-9)
    assert len(plan) <= problem.rounds


intensities = st.lists(st.floats(0, 900), max_size=4)
energies = st.none() | st.floats(0, 5000)
questions = st.builds(
    lambda people, past, **changes: ask(
        *(client(f"c{i}", *ahead, energy_wh=energy) for i, (ahead, energy) in enumerate(people)),
        past=[closed(i + 1, c0=x, c1=y) for i, (x, y) in enumerate(past)],
        **changes,
    ),
    people=st.lists(st.tuples(intensities, energies), max_size=6),
    past=st.lists(st.tuples(energies, energies), max_size=3),
    wanted=st.integers(0, 8),
    quorum=st.integers(1, 3),
    grams=st.none() | st.floats(1, 5000),
    spent_gco2eq=st.floats(0, 2000),
    rounds_left=st.none() | st.integers(1, 9),
)


@given(question=questions, data=st.data())
def test_the_answer_is_lawful(question, data):
    def answer(candidates: list[Candidate]) -> list[str]:
        fields = {name: getattr(question, name) for name in question.__slots__}
        return select(SelectionContext(**(fields | {"candidates": candidates, "rng": Random(7)})))

    chosen = answer(list(question.candidates))
    assert len(set(chosen)) == len(chosen) <= question.wanted
    people = {candidate.client: candidate for candidate in question.candidates}
    assert set(chosen) <= set(people)
    assert chosen == answer(data.draw(st.permutations(question.candidates)))
    known = [c for c in people.values() if c.energy_wh is not None]
    if chosen and known:
        assert len(chosen) >= question.quorum
        if question.grams is not None:
            cost = sum(
                (people[c].energy_wh or 0.0) * people[c].forecast_gco2eq_per_kwh[0] / 1000
                for c in chosen
            )
            assert cost <= max(0.0, question.grams - question.spent_gco2eq) * (1 + 1e-9)


@pytest.mark.parametrize("rounds_left", [None, 1, 24, 1000])
@pytest.mark.parametrize("grams", [None, 1e4, 1e6])
def test_a_run_that_can_pay_for_a_round_is_never_kept_waiting_for_ever(rounds_left, grams):
    # The same day again and again, 20 clients on their own phases: within a day a round is held.
    def day(phase: int, hour: int) -> tuple[float, ...]:
        return tuple(100.0 + 20 * abs((hour + h + phase) % 24 - 12) for h in range(24))

    assert any(
        select(
            ask(
                *(client(f"c{i}", *day(i, hour)) for i in range(20)),
                wanted=10,
                quorum=5,
                grams=grams,
                rounds_left=rounds_left,
            )
        )
        for hour in range(24)
    )


CLOSING = {"alpha": 0.1, "horizon_h": 24.0, "closing": 1.0}


def with_grams(name: str, gco2eq: float) -> Candidate:
    return replace(client(name, gco2eq, gco2eq), gco2eq=gco2eq)


def test_closing_rounds_invite_all_clients_whatever_the_cohort():
    pool = [with_grams(name, 100.0) for name in "abc"]
    last = ask(*pool, rounds_left=1, options=CLOSING)
    assert select(last) == ["a", "b", "c"]
    assert alpha_fair.select(last).target == 3
    assert len(select(ask(*pool, rounds_left=2, options=CLOSING))) == 2
    late = ask(*pool, rounds_left=9, hours_left=0.9, options=CLOSING)
    assert len(select(late)) == 3
    assert len(select(ask(*pool, options=CLOSING))) == 2  # no end is known


def test_what_closing_rounds_will_emit_is_kept_from_the_budget():
    # All three emit 300 g. Of 700 g, 400 g are left for two rounds of two places, of which the
    # window of two hours holds two: four updates. With 650 g there are three.
    pool = [with_grams(name, 100.0) for name in "abc"]
    for grams, whole in ((700.0, 400.0), (650.0, 350.0)):
        context = ask(*pool, rounds_left=3, grams=grams, options=CLOSING)
        assert _state(context, _grams(context, ["a", "b", "c"])).k == pytest.approx(whole)
    assert _closing_rounds(ask(*pool, rounds_left=3, grams=599.0, options=CLOSING)) == 0
