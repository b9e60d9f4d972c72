"""The turning point: exactly there a client's gain meets its rival's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.planning.ground import Ground, ground_of
from scheduler.policies.planning.reserve import Reserve, reserve
from scheduler.policies.planning.turning import turning_points
from scheduler.policies.pool import Pool
from tests.unit.scheduler.policies.course import intensities, site


def gain(now: float, later, due: float) -> tuple[float, Ground, Reserve]:
    pool = Pool.of([site("a", now, *later)])
    ground = ground_of(pool, horizon_h=48.0, end_h=None)
    prices = reserve(ground, np.array([due]), places=1)
    return float(prices.price_gco2eq[0] - ground.gco2eq(0)[0]), ground, prices


def turns(now: float, later, *, due: float, rival: float, chosen: bool = False) -> float:
    _, ground, prices = gain(now, later, due)
    found = turning_points(ground, prices, np.array([rival]), chosen=np.array([chosen]))
    return float(found[0])


LATER = (100.0, 200.0, 400.0)


@pytest.mark.parametrize(
    ("due", "rival", "at"),
    [
        (2.0, 60.0, 90.0),  # at 90: 90, 100, 200, 400; between 100 and 200, 150: gains 60
        (2.0, 20.0, 160.0),  # at 160: 100, 160, 200, 400; between 160 and 200, 180: gains 20
        (2.0, -50.0, 300.0),  # at 300: 100, 200, 300, 400; between 200 and 300, 250: gains -50
        (2.0, -150.0, 450.0),  # at 450: between 200 and 400, 300: gains -150
        (1.5, 30.0, 70.0),  # at 70: 70, 100, 200, 400; the second costs 100: gains 30
        (-0.5, -30.0, 60.0),  # at 60: half of 60 is its price: gains -30
        (-0.5, -100.0, 150.0),  # at 150: half of 100 is its price: gains -100
        (5.0, 500.0, 300.0),  # one hour behind: twice 400: gains 500
    ],
)
def test_at_the_turning_point_the_gain_is_the_rivals(due, rival, at):
    assert gain(at, LATER, due)[0] == pytest.approx(rival)
    assert turns(500.0, LATER, due=due, rival=rival) == pytest.approx(at)


def test_what_no_intensity_would_have_turned_is_unknown():
    assert np.isnan(turns(500.0, LATER, due=2.0, rival=np.inf))
    assert np.isnan(turns(500.0, LATER, due=2.0, rival=-np.inf, chosen=True))
    assert np.isnan(turns(500.0, LATER, due=2.0, rival=1000.0))
    assert np.isnan(turns(500.0, (), due=1.0, rival=10.0))
    assert np.isnan(turns(500.0, LATER, due=9.0, rival=10.0, chosen=True))


clients = st.tuples(st.floats(0, 900), st.lists(intensities, max_size=5), st.floats(-3, 8))


@given(client=clients, away=st.floats(0.1, 300), factor=st.floats(0.01, 0.99))
def test_who_was_not_chosen_gains_more_than_its_rival_below_it(client, away, factor):
    now, later, due = client
    rival = gain(now, later, due)[0] + away
    point = turns(now, later, due=due, rival=rival)
    if not np.isnan(point):
        assert point <= now
        assert gain(point * factor, later, due)[0] >= rival - 1e-6


@given(client=clients, away=st.floats(0.1, 300), factor=st.floats(0.01, 0.99))
def test_who_was_chosen_gains_less_than_its_rival_above_it(client, away, factor):
    now, later, due = client
    rival = gain(now, later, due)[0] - away
    point = turns(now, later, due=due, rival=rival, chosen=True)
    if not np.isnan(point):
        assert point >= now
        assert gain(point / factor, later, due)[0] <= rival + 1e-6
