"""Hour values: which hours ahead are better than the running one, and what they save."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hour_values import HourValues, hour_values
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.reservation_prices import reservation_prices
from tests.unit.scheduler.policies.course import intensities, site

GRID = (250.0, 100.0, 400.0, 200.0)
"""In order 100, 200, 250, 400 gCO2eq/kWh; an update takes 1 kWh."""


def values(*grids, due, places=1, relative=False) -> HourValues:
    pool = CandidateTable.of([site(f"c{n}", *grid) for n, grid in enumerate(grids)])
    emissions = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    prices = reservation_prices(emissions, np.array(due), relative=relative)
    return hour_values(emissions, prices, np.zeros(emissions.hours), places=places)


def test_an_hour_is_worth_what_the_clients_gain_that_gain_most():
    # Prices 150 and 150: gains by hour -100, 50, -250, -50 and 50, -100, -50, -250.
    found = values(GRID, (100.0, 250.0, 200.0, 400.0), due=[1.0, 1.0], places=1)
    assert found.worth == pytest.approx([50.0, 50.0, -50.0, -50.0])
    assert found.better_hours() == 0
    both = values(GRID, (100.0, 250.0, 200.0, 400.0), due=[1.0, 1.0], places=2)
    assert both.worth == pytest.approx([-50.0, -50.0, -300.0, -300.0])


def test_better_hours_are_those_worth_more_than_the_running_one():
    found = values(GRID, due=[1.0])
    assert (found.better_hours(), found.best_hour(), found.saves_gco2eq) == (2, 1, 150.0)


def test_relative_hours_are_worth_shares_and_save_grams():
    # In the second hour the small client, usually 20 g, emits 10 instead of 30 g; the large one,
    # usually 300 g, as much as ever.
    grids = (30.0, 10.0), (300.0, 300.0)
    found = values(*grids, due=[1.0, 1.0], places=1, relative=True)
    # Prices 20 and 300 g: the best gain is 0 now, and half of 20 g then.
    assert found.worth == pytest.approx([0.0, 0.5])
    assert found.saves_gco2eq == 20.0


def test_hours_without_emissions_are_alike():
    found = values((0.0, 0.0, 0.0), due=[1.0])
    assert (found.better_hours(), found.saves_gco2eq) == (0, 0.0)


def test_noise_makes_no_hour_better():
    assert values((0.1 + 0.2, 0.3), due=[1.0]).better_hours() == 0


@given(
    grids=st.lists(st.tuples(*[intensities] * 4), min_size=1, max_size=4),
    relative=st.booleans(),
    data=st.data(),
)
def test_each_hour_is_the_best_choice_of_as_many_as_there_are_places(grids, relative, data):
    places = data.draw(st.integers(1, len(grids)))
    due = np.array([data.draw(st.floats(-2, 6)) for _ in grids])
    found = values(*grids, due=due, places=places, relative=relative)
    pool = CandidateTable.of([site(f"c{n}", *grid) for n, grid in enumerate(grids)])
    emissions = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    price = reservation_prices(emissions, due).price_gco2eq
    units = [sum(grid) / 4 or 1.0 if relative else 1.0 for grid in grids]
    for hour in range(4):
        gains = [(p - g[hour]) / unit for p, g, unit in zip(price, grids, units, strict=True)]
        best = max(sum(some) for some in itertools.combinations(gains, places))
        assert found.worth[hour] == pytest.approx(best, abs=1e-5)


@given(
    grids=st.lists(st.tuples(*[intensities] * 4), min_size=1, max_size=4),
    places=st.integers(1, 4),
    due=st.floats(-2, 6),
)
def test_grams_saved_are_no_less_than_the_best_hour_is_worth_more(grids, places, due):
    places = min(places, len(grids))
    found = values(*grids, due=[due] * len(grids), places=places)
    assert found.saves_gco2eq >= found.worth.max() - found.worth[0] - 1e-5
