"""A practice is the mean of what counted; what was not said stays unknown."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.advice.practice import LOOKBACK, practices
from tests.unit.scheduler.advice.cases import DAY, energy, work
from tests.unit.scheduler.story import NOON


def test_a_practice_worked_out_by_hand():
    # 10 Wh at 200 and at 400 g/kWh: 2 g and 4 g; in the mean 300 g/kWh and 3 g an update.
    # 20 Wh for 2000 examples are 72,000 J / 2000 = 36 J each. Waiting hardware used 5 Wh each
    # time: 1 g and 2 g, so 1.5 g an update, and 10 of 30 Wh. GPUs used 4 Wh x 1.5 = 6 Wh.
    used = energy(10.0, gpu_wh=4.0, idle_wh=5.0, idle_s=60.0)
    told = [
        work("a", NOON - 2 * DAY, 200.0, energy=used, network_wh=0.4),
        work("a", NOON - DAY, 400.0, energy=used, network_wh=0.4),
    ]
    practice = practices(told, NOON)["a"]
    assert practice.updates == 2
    assert practice.energy_wh == 10.0
    assert practice.gpu_wh == pytest.approx(6.0)
    assert practice.gco2eq_per_kwh == pytest.approx(300.0)
    assert practice.gco2eq == pytest.approx(3.0)
    assert practice.joule_per_sample == pytest.approx(36.0)
    assert practice.pue == 1.5
    assert practice.idle_gco2eq == pytest.approx(1.5)
    assert practice.idle_share == pytest.approx(1 / 3)
    assert practice.network_gco2eq == pytest.approx(0.4 * 300 / 1000)


def test_the_rate_of_a_month_is_that_of_the_days_so_far():
    ten_days = [work("a", NOON - 10 * DAY + timedelta(minutes=5)), work("a", NOON)]
    assert practices(ten_days, NOON)["a"].per_month == pytest.approx(2 * 30 / 10)


def test_overhead_is_that_of_the_newest_update():
    newest = work("a", NOON, energy=energy(10.0, pue=1.2))
    assert practices([newest, work("a", NOON - DAY)], NOON)["a"].pue == 1.2


def test_a_first_hour_is_not_stretched_beyond_a_day():
    assert practices([work("a"), work("a")], NOON)["a"].per_month == pytest.approx(2 * 30)


def test_work_that_did_not_count_is_wasted_for_those_that_did():
    # Two updates counted; one of 10 Wh at 200 g/kWh came late: 2 g, so 1 g for each.
    told = [work("a"), work("a"), work("a", outcome="late")]
    practice = practices(told, NOON)["a"]
    assert practice.wasted_gco2eq == pytest.approx(1.0)
    assert practice.updates == 2


def test_what_was_never_said_is_unknown():
    practice = practices([work("a", examples=0)], NOON)["a"]
    assert practice.joule_per_sample is None
    assert practice.idle_gco2eq is None
    assert practice.idle_share is None
    assert practice.network_gco2eq is None


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        [work("a", outcome="failed")],
        [work("a", intensity=None)],
        [work("a", energy=None)],
        [work("a", NOON - LOOKBACK)],
        [work("a", started_at=None, ended_at=None, energy=None)],
    ],
)
def test_without_counted_work_of_known_energy_and_grid_there_is_no_practice(nothing):
    assert practices(nothing, NOON) == {}


@given(
    told=st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(0.1, 100), st.floats(0, 900)), max_size=8
    )
)
def test_updates_times_their_mean_is_all_that_was_emitted(told):
    bookings = [work(c, intensity=g, energy=energy(wh)) for c, wh, g in told]
    found = practices(bookings, NOON)
    for client, practice in found.items():
        emitted = sum(b.settled_gco2eq or 0 for b in bookings if b.client == client)
        assert practice.gco2eq * practice.updates == pytest.approx(emitted)
