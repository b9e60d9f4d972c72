"""A score weighs what is known, names what is not, and lets no outlier flatten the others."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SettingError
from common.units import emitted_gco2eq
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.federation.client import Client
from scheduler.selection.client_table import ClientTable
from scheduler.selection.score import (
    EXPLAINED,
    UNITS,
    Score,
    _quantile,
    expected_gco2eqs,
    score_figures,
    score_fleet,
)
from scheduler.selection.score_weights import WEIGHTS, score_weights
from tests.unit.scheduler.story import HOUR, NOON


def client(name: str, **changes: Any) -> Client:
    return Client(name, "FR", **changes)


def grid(intensity: float, **more: Any) -> Reading:
    return Reading("FR", NOON, NOON + HOUR, intensity, "test", FLOW_TRACED, "measured", **more)


def score_clients(clients, readings, weights=WEIGHTS) -> dict[str, Score]:
    table = ClientTable(clients)
    return dict(zip(table.ids, score_fleet(table, readings, weights), strict=True))


def places(scores: dict[str, Score], name: str) -> list[float]:
    return [next(p.normalised for p in s.parts if p.name == name) for s in scores.values()]


def test_grams_per_update_are_energy_times_intensity():
    fleet = ClientTable([client("a", energy_per_update_wh=500.0), client("b"), client("c")])
    fleet.clients[2].energy_per_update_wh = 500.0
    grams = expected_gco2eqs(fleet, {"a": grid(200.0), "b": grid(200.0), "c": None})
    assert grams.tolist() == pytest.approx([100.0, math.nan, math.nan], nan_ok=True)
    assert grams[0] == emitted_gco2eq(500.0, 200.0)


def test_a_score_worked_out_by_hand():
    # Two clients: the 5 % and 95 % quantiles of (x, y) are x + 0.05 (y - x) and x + 0.95 (y - x),
    # so the better one's place is beyond the upper bound, 1, and the other's 0.
    names = ("grams_per_update", "latency", "participation", "utility")
    weights = dict(zip(names, (0.5, 0.1, 0.2, 0.2), strict=True))
    figures: dict[str, list[float | None]] = {
        "grams_per_update": [5.0, 15.0],
        "latency": [20.0, 10.0],
        "participation": [4, 2],
        "utility": [0.5, 0.7],
    }
    clean, fast = score_figures(figures, weights)
    # clean is best in grams (0.5); fast in latency (0.1), participation (0.2), utility (0.2).
    assert clean.value == pytest.approx(0.5)
    assert fast.value == pytest.approx(0.1 + 0.2 + 0.2)
    assert {part.name: (part.value, part.unit, part.normalised) for part in clean.parts} == {
        "grams_per_update": (5.0, "gCO2eq", 1.0),
        "latency": (20.0, "s", 0.0),
        "participation": (4.0, "updates", 0.0),
        "utility": (0.5, "", 0.0),
    }


def test_every_part_is_observed_where_it_is_known():
    told = grid(50.0, low_carbon_share=0.9, price_eur_per_mwh=-12.0)
    one = client("a", energy_per_update_wh=100.0, latency_s=20.0, updates=4, utility=0.5)
    score = score_clients([one], {"a": told})["a"]
    seen = {part.name: part.value for part in score.parts}
    assert seen["grams_per_update"] == pytest.approx(5.0)
    assert seen["low_carbon_share"] == 0.9
    assert seen["energy_price"] == -12.0
    assert (seen["latency"], seen["participation"], seen["utility"]) == (20.0, 4, 0.5)


def test_cheap_and_low_carbon_grids_rank_first():
    readings = {
        "a": grid(50.0, low_carbon_share=0.9, price_eur_per_mwh=100.0),
        "b": grid(50.0, low_carbon_share=0.2, price_eur_per_mwh=20.0),
    }
    scores = score_clients([client("a"), client("b")], readings)
    assert places(scores, "low_carbon_share") == [1.0, 0.0]
    assert places(scores, "energy_price") == [0.0, 1.0]


def test_the_middle_of_three_is_placed_between():
    # Latencies 10, 16, 20 s: the 5 % quantile is 10.6, the 95 % quantile 19.6, so 16 s is at
    # (16 - 10.6) / 9 = 0.6 of the way to the slowest, and 0.4 good.
    fleet = [client(f"c{i}", latency_s=s) for i, s in enumerate([10.0, 16.0, 20.0])]
    scores = score_clients(fleet, dict.fromkeys(["c0", "c1", "c2"]), weights={"latency": 1} | ZERO)
    assert places(scores, "latency") == pytest.approx([1.0, 0.4, 0.0])
    assert scores["c1"].value == pytest.approx(0.4)


ZERO = dict.fromkeys([name for name in WEIGHTS if name != "latency"], 0)


def test_unknown_parts_are_left_out_and_named():
    fresh, known = (
        client("fresh"),
        client("known", energy_per_update_wh=1.0, latency_s=1.0, updates=1),
    )
    scores = score_clients([fresh, known], {"fresh": grid(50.0), "known": None})
    assert {"grams_per_update", "latency", "utility"} <= set(scores["fresh"].unknown)
    assert "grams_per_update" in scores["known"].unknown
    assert "latency" not in scores["known"].unknown
    assert "participation" in [part.name for part in scores["fresh"].parts]


def test_what_one_client_keeps_back_counts_as_the_middle_of_the_others():
    # Three know their grams, 1, 2 and 3: the bounds are 1.1 and 2.9, so they are placed at 1, 0.5
    # and 0, and the one that says nothing at their median, 0.5.
    *_, silent = score_figures({"grams_per_update": [1.0, 2.0, 3.0, None]}, WEIGHTS)
    assert silent.value == pytest.approx(0.5)
    assert silent.parts == ()
    assert silent.unknown == ("grams_per_update",)


def test_a_part_that_nobody_knows_is_left_out_for_all():
    with_it: dict[str, list[float | None]] = {
        "latency": [1.0, 2.0],
        "grams_per_update": [None, None],
    }
    without: dict[str, list[float | None]] = {"latency": [1.0, 2.0]}
    assert [s.value for s in score_figures(with_it, WEIGHTS)] == [
        s.value for s in score_figures(without, WEIGHTS)
    ]


def test_equals_are_in_the_middle():
    assert score_clients([client("a")], {"a": grid(1.0)})["a"].value == 0.5
    fleet = [client(f"c{i}", latency_s=3.0) for i in range(4)]
    scores = score_clients(fleet, dict.fromkeys(c.id for c in fleet))
    assert [score.value for score in scores.values()] == pytest.approx([0.5] * 4)


def test_one_outlier_does_not_flatten_everybody_else():
    fleet = [client(f"c{i}", energy_per_update_wh=1.0 + i) for i in range(39)]
    fleet.append(client("coal", energy_per_update_wh=1e6))
    scores = score_clients(fleet, dict.fromkeys((c.id for c in fleet), grid(100.0)))
    grams = dict(zip(scores, places(scores, "grams_per_update"), strict=True))
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


def test_each_part_has_a_unit_and_one_sentence():
    assert set(UNITS) == set(EXPLAINED) == set(WEIGHTS)
    for name in WEIGHTS:
        assert EXPLAINED[name].endswith(".")
        assert EXPLAINED[name].count(". ") == 0


def test_chosen_weights_replace_the_defaults_of_their_parts_alone():
    weights = score_weights({"latency": 0, "energy_price": 0.3})
    assert weights == {**WEIGHTS, "latency": 0, "energy_price": 0.3}


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"latancy": 0.2}, "Did you mean latency?"),
        ({"xyz": 0.2}, "There are: grams_per_update"),
        ({"latency": -0.1}, "Set 0 to leave the part out"),
        ({"latency": float("nan")}, "Set 0 to leave the part out"),
        (dict.fromkeys(WEIGHTS, 0), "Give one of them a weight"),
    ],
)
def test_weights_that_make_no_sense_are_refused(chosen, text):
    with pytest.raises(SettingError, match="FAIRWIND_SCORE_WEIGHTS") as error:
        score_weights(chosen)
    assert text in str(error.value)


def test_a_weight_of_zero_shows_a_part_without_counting_it():
    figures: dict[str, list[float | None]] = {"latency": [1.0, 2.0], "utility": [1.0, 2.0]}
    slow = score_figures(figures, {"latency": 0.0, "utility": 1.0})[1]
    assert slow.value == 1.0
    assert [part.name for part in slow.parts] == ["latency", "utility"]


figures_ = st.none() | st.floats(0, 1e6)
fleets = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {
                "energy_per_update_wh": figures_,
                "latency_s": figures_,
                "utility": figures_,
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
    readings = {f"c{i}": None if x is None else grid(x) for i, (_, x) in enumerate(fleet)}
    for score in score_clients(clients, readings).values():
        assert 0 <= score.value <= 1
        assert all(0 <= part.normalised <= 1 for part in score.parts)
        assert {part.name for part in score.parts} | set(score.unknown) == set(WEIGHTS)


@given(known=st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_keeping_a_figure_back_never_lifts_anybody_above_the_middle(known):
    rest = [score.value for score in score_figures({"grams_per_update": known}, WEIGHTS)]
    hidden = score_figures({"grams_per_update": [*known, None]}, WEIGHTS)[-1].value
    better = sum(value > hidden + 1e-9 for value in rest)
    worse = sum(value < hidden - 1e-9 for value in rest)
    assert max(better, worse) <= len(rest) / 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from([0.05, 0.3, 0.5, 0.95, 1.0]))
def test_quantiles_are_numpys_to_the_bit(figures, share):
    assert _quantile(np.sort(figures), share) == np.quantile(figures, share)
