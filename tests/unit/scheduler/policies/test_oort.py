"""Oort exploits the useful and fast, explores the large and fast, and clips, cuts and paces."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies import oort
from scheduler.policies.oort_pacer import preferred_duration_s
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext
from tests.unit.scheduler.policies.laws import assert_lawful

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)


def did(utility: float | None, duration_s: float = 1.0) -> PastUpdate:
    return PastUpdate(utility, duration_s, None)


def past(*rounds: dict[str, PastUpdate]) -> list[PastRound]:
    """Return closed rounds 1, 2, ..."""
    return [PastRound(number, NOON, updates) for number, updates in enumerate(rounds, start=1)]


def ask(
    candidates: Sequence[str | Candidate],
    wanted: int,
    rounds: list[PastRound],
    *,
    number: int | None = None,
    seed: int = 0,
    **options: float,
) -> SelectionContext:
    return SelectionContext(
        [Candidate(c) if isinstance(c, str) else c for c in candidates], wanted, quorum=1,
        number=number or len(rounds) + 1, now=NOON, rng=Random(seed), past=rounds,
        options=oort.DEFAULTS | options,
    )  # fmt: skip


def often(*args, draws: int = 200, **kwargs) -> Counter[str]:
    """Return how often each candidate is chosen over that many seeds."""
    return Counter(c for i in range(draws) for c in oort.select(ask(*args, seed=i, **kwargs)))


FOUR = past({"a": did(10), "b": did(5), "c": did(4), "d": did(1)})
"""In round 2, Util = (u - 0.999) / 9.001 + sqrt(0.1 ln 2 / 1), the last 0.2633:
a 1 + 0.2633 = 1.2633, b 0.4445 + 0.2633 = 0.7078, c 0.3334 + 0.2633 = 0.5967, d 0.2634.
"""


def test_utility_is_normalised_and_grows_with_uncertainty():
    explored = {c: oort._Feedback(u.utility, 1.0, 1) for c, u in FOUR[0].updates.items()}
    utilities = oort._utilities(explored, 2)
    assert utilities == pytest.approx(
        {"a": 1.2633, "b": 0.7078, "c": 0.5967, "d": 0.2634}, abs=1e-4
    )


def test_an_outlier_is_worth_no_more_than_the_98th_percentile():
    explored = {f"c{u}": oort._Feedback(float(u), 1.0, 1) for u in range(1, 51)}
    explored["c51"] = oort._Feedback(1e6, 1.0, 1)
    utilities = oort._utilities(explored, 2)  # rank int(51 * 0.98) = 49, from 0, is c50
    assert utilities["c51"] == utilities["c50"]


def test_only_those_above_the_cut_are_exploited():
    # One place: the cut-off is b's 0.7078. 0.95 of it is 0.6724, 0.7 of it 0.4954.
    assert set(often("abcd", 1, FOUR, cut=0.95)) == {"a", "b"}
    assert set(often("abcd", 1, FOUR)) == {"a", "b", "c"}


def test_those_above_the_cut_are_drawn_in_proportion_to_their_utility():
    # a has 1.2633 / (1.2633 + 0.7078) = 0.641; four standard deviations of 2,000 draws are 0.043.
    drawn = often("abcd", 1, FOUR, cut=0.95, draws=2000)
    assert drawn["a"] / 2000 == pytest.approx(0.641, abs=0.043)


def test_slowness_is_punished_by_the_square_of_how_much_longer_it_takes():
    # T is the fastest (10 % of four); a takes twice as long: 1.2633 / 4 = 0.3158.
    # The cut-off is c's 0.5967, of which 0.95 is 0.5669.
    slow = past({**FOUR[0].updates, "a": did(10, duration_s=2.0)})
    assert set(often("abcd", 1, slow, cut=0.95)) == {"b", "c"}
    assert set(often("abcd", 1, slow, cut=0.95, alpha=0.0)) == {"a", "b"}


def test_who_was_not_heard_of_for_long_is_drawn_more_often():
    # Round 10: x, last in round 1, has 1 + sqrt(0.23026 / 1) = 1.4798, y of round 9 has
    # 1 + sqrt(0.23026 / 9) = 1.1600, so x is drawn with 0.5606.
    rounds = past({"x": did(5)}, *[{"y": did(5)}] * 8)
    assert often("xy", 1, rounds, draws=2000)["x"] / 2000 == pytest.approx(0.5606, abs=0.045)


@pytest.mark.parametrize(
    ("number", "fresh"),
    [
        (2, 9),  # epsilon 0.9 * 0.95 = 0.855: floor(1.45) = 1 exploited
        (15, 5),  # 0.9 * 0.95**14 = 0.439: floor(5.61) = 5
        (60, 2),  # 0.2, the least
    ],
)
def test_exploration_decays_by_the_round(number, fresh):
    explored, unexplored = [f"e{i}" for i in range(20)], [f"f{i}" for i in range(20)]
    rounds = past({client: did(3) for client in explored})
    chosen = oort.select(ask(explored + unexplored, 10, rounds, number=number))
    assert sum(client.startswith("f") for client in chosen) == fresh


def sized(client: str, num_examples: int | None, duration_s: float | None = 1.0) -> Candidate:
    return Candidate(client, num_examples=num_examples, duration_s=duration_s)


def test_exploration_prefers_the_large_and_fast():
    # One place in round 2 is floor(1 * 0.145) = 0 exploited; five of these seven may be drawn.
    # g has the most examples, but takes four times T: 70 / 16 = 4.4.
    fresh = [sized(name, 10 * i) for i, name in enumerate("abcdef", start=1)]
    fresh.append(sized("g", 70, duration_s=4.0))
    assert set(often(fresh, 1, past({"z": did(1)}))) == set("bcdef")


def test_unknown_figures_count_as_the_median_of_the_known():
    fresh = [sized("a", 10), sized("b", 40), sized("c", 20), sized("d", None)]
    assert oort._sizes(fresh) == {"a": 10, "b": 40, "c": 20, "d": 20}
    told = {
        name: oort._Feedback(u, 1.0, 1) for name, u in zip("abcd", (1, 9, 4, None), strict=True)
    }
    utilities = oort._utilities(told, 2)
    assert utilities["d"] == utilities["c"]
    assert set(oort._utilities({"a": oort._Feedback(None, 1.0, 1)}, 2)) == {"a"}
    # Durations 1, 1, 4 and unknown, so 1: the last is as likely as the first two.
    speedy = [sized("a", 10), sized("c", 10, 4.0), sized("d", 10, None)]
    drawn = often(speedy, 1, past({"z": did(1)}), draws=1000)
    assert drawn["d"] > 5 * drawn["c"]


def test_an_update_that_tells_no_utility_leaves_the_one_before():
    feedback = oort._feedback(past({"a": did(7)}, {"a": did(None, duration_s=3.0)}))
    assert feedback == {"a": oort._Feedback(7, 3.0, 2)}


def test_first_round_is_random():
    candidates = [sized("large", 10**6), sized("small", 1)]
    assert often(candidates, 1, [], draws=1000)["small"] == pytest.approx(500, abs=65)


def test_places_nobody_is_left_to_explore_for_go_to_the_explored():
    assert oort.select(ask("abcde", 5, FOUR)) == ["a", "b", "c", "d", "e"]
    # One is unexplored: it has one of the 2 places that are not exploited, chance the other.
    assert all("e" in oort.select(ask("abcde", 3, FOUR, seed=seed)) for seed in range(50))


def preferred_s(number: int, rounds: list[PastRound], window: int) -> float:
    question = ask("a", 1, rounds, number=number, pacer_window=window)
    return preferred_duration_s(question, [float(second) for second in range(1, 101)])


def test_pacer_widens_when_nothing_more_is_gained_and_narrows_when_much_is():
    # Gained by round, the first being exploration: 0, 10, 10, 10, 11, 65, 65.
    rounds = past(*[{"a": did(u)} for u in (8, 10, 10, 10, 11, 65, 65)])
    assert preferred_s(3, rounds[:2], 2) == 11.0  # p = 10: rank 10 from 0, of 1 to 100 seconds
    assert preferred_s(4, rounds[:3], 2) == 6.0  # S = 20, S' = 0: p = 5, its least
    assert preferred_s(5, rounds[:4], 2) == 6.0  # not a multiple of W
    assert preferred_s(6, rounds[:5], 2) == 11.0  # |21 - 20| <= 2: p = 10
    assert preferred_s(8, rounds, 2) == 6.0  # |130 - 21| >= 105: p = 5


def test_pacer_prefers_nobody_in_the_end():
    # W = 1: p is 15 in round 2 (0 is as 0), 10 in round 3 (10 after 0), then 5 more each round.
    rounds = past(*[{"a": did(10)}] * 20)
    assert preferred_s(20, rounds[:19], 1) == 96.0  # p = 95
    assert preferred_s(21, rounds, 1) == float("inf")  # p = 100


unknown_or = st.none() | st.floats(0, 1e3)
candidates_ = st.lists(
    st.builds(
        Candidate, client=st.sampled_from([f"c{i}" for i in range(12)]),
        num_examples=st.none() | st.integers(0, 1000), duration_s=unknown_or,
    ),
    max_size=10, unique_by=lambda candidate: candidate.client,
)  # fmt: skip
updates_ = st.builds(PastUpdate, unknown_or, st.floats(0, 1e3), unknown_or)
rounds_ = st.lists(
    st.dictionaries(st.sampled_from([f"c{i}" for i in range(12)]), updates_, max_size=5), max_size=6
)


@settings(max_examples=60)
@given(
    candidates=candidates_, wanted=st.integers(0, 12), rounds=rounds_, ahead=st.integers(0, 90)
)  # fmt: skip
def test_answers_are_lawful_and_as_many_as_wanted(candidates, wanted, rounds, ahead):
    number = len(rounds) + 1 + ahead
    chosen = assert_lawful(oort.select, ask(candidates, wanted, past(*rounds), number=number))
    assert len(chosen) == min(wanted, len(candidates))
