"""Reservation prices: the most that an update should emit now, given the hours to come."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.reservation_prices import ReservationPrices, reservation_prices
from tests.unit.scheduler.policies.course import site

GRID = (250.0, 100.0, 400.0, 200.0)
"""In order 100, 200, 250, 400 gCO2eq/kWh; an update takes 1 kWh."""


def prices(*grids, due, an_hour=1.0, relative=False) -> ReservationPrices:
    pool = CandidateTable.of([site(f"c{n}", *grid) for n, grid in enumerate(grids)])
    emissions = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    return reservation_prices(emissions, np.array(due), updates_an_hour=an_hour, relative=relative)


@pytest.mark.parametrize(
    ("due", "price"),
    [
        (0.5, 100.0),  # at most the cleanest hour's
        (1.0, 150.0),  # between the first and the second
        (2.5, 250.0),
        (3.5, 400.0),
        (4.0, 400.0),  # every hour
        (5.0, 800.0),  # an hour more than there are: twice the dirtiest
        (0.0, 100.0),
        (-0.25, 75.0),  # a quarter of an update ahead of its turn: three quarters of the cleanest
        (-3.0, 0.0),
    ],
)
def test_the_price_is_what_the_last_update_due_emits_in_the_cleanest_hours(due, price):
    found = prices(GRID, due=[due])
    assert found.price_gco2eq.tolist() == [price]
    assert found.gain.tolist() == pytest.approx([price - 250.0])


def test_an_hour_holds_several_updates_of_a_client_where_rounds_are_short():
    assert prices(GRID, due=[10.0], an_hour=4.0).price_gco2eq.tolist() == [250.0]  # as 2.5
    assert prices(GRID, due=[-0.25], an_hour=4.0).price_gco2eq.tolist() == [75.0]  # an update's


def test_an_update_without_emissions_gains_nothing_by_any_hour():
    found = prices((0.0, 0.0, 0.0), due=[1.0])
    assert (found.price_gco2eq.tolist(), found.gain.tolist()) == ([0.0], [0.0])
    assert prices((0.0, 0.0, 0.0), due=[1.0], relative=True).gain.tolist() == [0.0]


def test_a_relative_gain_is_a_share_of_what_an_update_usually_emits():
    # Due 2.5: the price is 250 g in both; usually 237.5 g and twice as much.
    found = prices((100.0, 250.0, 400.0, 200.0), due=[2.5], relative=True)
    assert found.gain.tolist() == pytest.approx([150 / 237.5])
    twice = prices((200.0, 500.0, 800.0, 400.0), due=[2.5], relative=True)
    assert twice.gain.tolist() == pytest.approx([150 / 237.5])


@given(grid=st.lists(st.integers(0, 1000), min_size=1, max_size=7, unique=True), data=st.data())
def test_a_price_between_two_hours_parts_the_plan_of_least_grams(grid, data):
    """With k updates due, exactly the k cleanest hours cost less than the price."""
    k = data.draw(st.integers(1, len(grid)))
    price = prices(grid, due=[k]).price_gco2eq[0]
    cheapest = min(sum(hours) for hours in itertools.combinations(grid, k))
    taken = [grams for grams in grid if grams <= price]
    assert sum(taken) == cheapest
    assert len(taken) == k
