"""Reservation prices: what an update is worth now, against the hours to come."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.reservation_prices import ReservationPrices, reservation_prices
from tests.unit.scheduler.policies.course import intensities, site

GRID = (250.0, 100.0, 400.0, 200.0)
"""In order 100, 200, 250, 400 gCO2eq/kWh; an update takes 1 kWh."""


def prices(*grids, due, places=1, an_hour=1.0) -> ReservationPrices:
    pool = CandidateTable.of([site(f"c{n}", *grid) for n, grid in enumerate(grids)])
    emissions = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    return reservation_prices(emissions, np.array(due), places=places, updates_an_hour=an_hour)


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
    assert found.gain_gco2eq.tolist() == pytest.approx([price - 250.0])


def test_an_hour_holds_several_updates_of_a_client_where_rounds_are_short():
    assert prices(GRID, due=[10.0], an_hour=4.0).price_gco2eq.tolist() == [250.0]  # as 2.5
    assert prices(GRID, due=[-0.25], an_hour=4.0).price_gco2eq.tolist() == [75.0]  # an update's


def test_an_hour_is_worth_what_those_gain_who_gain_most():
    # Prices 150 and 150: gains by hour -100, 50, -250, -50 and 50, -100, -50, -250.
    found = prices(GRID, (100.0, 250.0, 200.0, 400.0), due=[1.0, 1.0], places=1)
    assert found.hours_gco2eq == pytest.approx([50.0, 50.0, -50.0, -50.0])
    assert found.better_hours() == 0
    both = prices(GRID, (100.0, 250.0, 200.0, 400.0), due=[1.0, 1.0], places=2)
    assert both.hours_gco2eq == pytest.approx([-50.0, -50.0, -300.0, -300.0])


def test_better_hours_are_those_worth_more_than_the_running_one():
    found = prices(GRID, due=[1.0])
    assert (found.better_hours(), found.best_hour()) == (2, 1)


def test_hours_without_emissions_are_alike():
    found = prices((0.0, 0.0, 0.0), due=[1.0])
    assert (found.better_hours(), found.gain_gco2eq.tolist()) == (0, [0.0])


def test_noise_makes_no_hour_better():
    assert prices((0.1 + 0.2, 0.3), due=[1.0]).better_hours() == 0


grids_ = st.lists(st.tuples(*[intensities] * 4), min_size=1, max_size=4)


@given(grid=st.lists(st.integers(0, 1000), min_size=1, max_size=7, unique=True), data=st.data())
def test_a_price_between_two_hours_parts_the_plan_of_least_grams(grid, data):
    """With k updates due, exactly the k cleanest hours cost less than the price."""
    k = data.draw(st.integers(1, len(grid)))
    price = prices(grid, due=[k]).price_gco2eq[0]
    cheapest = min(sum(hours) for hours in itertools.combinations(grid, k))
    taken = [grams for grams in grid if grams <= price]
    assert sum(taken) == cheapest
    assert len(taken) == k


@given(grids=grids_, data=st.data())
def test_each_hour_is_the_best_choice_of_as_many_as_there_are_places(grids, data):
    places = data.draw(st.integers(1, len(grids)))
    due = [data.draw(st.floats(-2, 6)) for _ in grids]
    found = prices(*grids, due=due, places=places)
    for hour in range(4):
        gains = [p - grid[hour] for p, grid in zip(found.price_gco2eq, grids, strict=True)]
        best = max(sum(some) for some in itertools.combinations(gains, places))
        assert found.hours_gco2eq[hour] == pytest.approx(best, abs=1e-5)
