"""A score weighs what is known, names what is not, and lets no outlier flatten the others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.client import Client
from scheduler.score import WEIGHTS, expected_gco2eq, score_clients


def client(name: str, **changes: Any) -> Client:
    return Client(name, "FR", **changes)


def test_grams_per_update_are_energy_times_intensity():
    assert expected_gco2eq(client("a", energy_per_update_wh=500.0), 200.0) == 100.0
    assert expected_gco2eq(client("a"), 200.0) is None
    assert expected_gco2eq(client("a", energy_per_update_wh=500.0), None) is None


def test_a_score_worked_out_by_hand():
    # Two clients: the 5 % and 95 % quantiles of (x, y) are x + 0.05 (y - x) and x + 0.95 (y - x),
    # so the better one's place is beyond the upper bound, 1, and the other's 0.
    clean = client("clean", energy_per_update_wh=100.0, latency_s=20.0, updates=4, utility=0.5)
    fast = client("fast", energy_per_update_wh=100.0, latency_s=10.0, updates=2, utility=0.7)
    scores = score_clients([clean, fast], {"clean": 50.0, "fast": 150.0})
    # clean is best in grams (0.5); fast in latency (0.1), participation (0.2), utility (0.2).
    assert scores["clean"].value == pytest.approx(0.5)
    assert scores["fast"].value == pytest.approx(0.1 + 0.2 + 0.2)
    parts = {part.name: (part.value, part.unit, part.normalised) for part in scores["clean"].parts}
    assert parts == {
        "grams_per_update": (5.0, "gCO2eq", 1.0),
        "latency": (20.0, "s", 0.0),
        "participation": (4.0, "updates", 0.0),
        "utility": (0.5, "", 0.0),
    }


def test_the_middle_of_three_is_placed_between():
    # Latencies 10, 16, 20 s: the 5 % quantile is 10.6, the 95 % quantile 19.6, so 16 s is at
    # (16 - 10.6) / 9 = 0.6 of the way to the slowest, and 0.4 good.
    fleet = [client(f"c{i}", latency_s=s) for i, s in enumerate([10.0, 16.0, 20.0])]
    scores = score_clients(fleet, dict.fromkeys(["c0", "c1", "c2"]))
    places = [next(p.normalised for p in s.parts if p.name == "latency") for s in scores.values()]
    assert places == pytest.approx([1.0, 0.4, 0.0])
    # Known are latency (0.1) and participation (0.2, the same for all: 0.5).
    assert scores["c1"].value == pytest.approx((0.1 * 0.4 + 0.2 * 0.5) / 0.3)


def test_unknown_parts_are_left_out_and_named():
    fresh, known = (
        client("fresh"),
        client("known", energy_per_update_wh=1.0, latency_s=1.0, updates=1),
    )
    scores = score_clients([fresh, known], {"fresh": 50.0, "known": None})
    assert scores["fresh"].unknown == ("grams_per_update", "latency", "utility")
    assert scores["known"].unknown == ("grams_per_update", "utility")
    assert [part.name for part in scores["fresh"].parts] == ["participation"]
    assert scores["fresh"].value == 1.0  # its one known part is the best in the fleet


def test_equals_are_in_the_middle():
    assert score_clients([client("a")], {"a": 1.0})["a"].value == 0.5
    fleet = [client(f"c{i}", latency_s=3.0) for i in range(4)]
    scores = score_clients(fleet, dict.fromkeys(c.id for c in fleet))
    assert {score.value for score in scores.values()} == {0.5}


def test_one_outlier_does_not_flatten_everybody_else():
    fleet = [client(f"c{i}", energy_per_update_wh=1.0 + i) for i in range(39)]
    fleet.append(client("coal", energy_per_update_wh=1e6))
    scores = score_clients(fleet, dict.fromkeys((c.id for c in fleet), 100.0))
    grams = {
        name: next(p.normalised for p in score.parts if p.name == "grams_per_update")
        for name, score in scores.items()
    }
    assert grams["coal"] == 0.0
    assert grams["c0"] == 1.0
    # 40 values: the 95 % quantile lies at index 37.05, at 38 + 0.05 * 1 = 38.05; the 5 % quantile
    # at index 1.95, at 2.95. The twentieth, 20 Wh, is (20 - 2.95) / 35.1 = 0.486 of the way.
    assert grams["c19"] == pytest.approx(1 - 17.05 / 35.1)


def test_nobody_is_nothing_to_score():
    assert score_clients([], {}) == {}


def test_the_weights_are_shares_of_one_and_carbon_comes_first():
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert max(WEIGHTS, key=lambda name: WEIGHTS[name]) == "grams_per_update"


figures = st.none() | st.floats(0, 1e6)


fleets = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {
                "energy_per_update_wh": figures,
                "latency_s": figures,
                "utility": figures,
                "updates": st.integers(0, 50),
            }
        ),
        st.none() | st.floats(0, 2000),
    ),
    max_size=12,
)


@given(fleet=fleets)
def test_scores_and_their_parts_are_between_0_and_1(fleet):
    clients = [client(f"c{i}", **fields) for i, (fields, _) in enumerate(fleet)]
    scores = score_clients(clients, {f"c{i}": x for i, (_, x) in enumerate(fleet)})
    for score in scores.values():
        assert 0 <= score.value <= 1
        assert all(0 <= part.normalised <= 1 for part in score.parts)
        assert {part.name for part in score.parts} | set(score.unknown) == set(WEIGHTS)
