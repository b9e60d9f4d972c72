from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from common.clock import VirtualClock
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.carbon.signals.trace import Trace
from scheduler.carbon.signals.typical_day import TypicalDay
from simulation.grids.error_model import LEADS, ErrorModel, sigma
from simulation.grids.foresight import make_foresight
from simulation.grids.grid import KnownNow, VirtualGrid
from simulation.grids.truth import Truth, hour_of
from simulation.scenario.scenario import ForecastPart
from tests.unit.simulation.worlds import trace

NOW = datetime(2022, 5, 20, 7, tzinfo=UTC)
FIRST = hour_of(NOW)
ZONES = ("DE", "FR", "GB")


def truth() -> Truth:
    return Truth(TypicalDay(), ZONES)


def foresight(mode: str, known: Truth | None = None, **more):
    return make_foresight(ForecastPart(mode=mode, **more), known or truth(), seed=3)


def test_perfect_is_the_truth():
    assert np.array_equal(foresight("perfect")(FIRST), truth().hours(FIRST + 1, LEADS))


def test_persistence_is_the_same_hour_yesterday():
    ahead = foresight("persistence")(FIRST)
    yesterday = truth().hours(FIRST - 23, 24)
    assert np.array_equal(ahead, np.tile(yesterday, 4))


def test_own_is_what_production_forecasts_from_the_past():
    ahead = foresight("own")(FIRST)
    assert ahead.shape == (3, LEADS)
    off = np.abs(ahead / truth().hours(FIRST + 1, LEADS) - 1)
    assert 0 < off[:, :3].mean() < off.mean() < 0.5


@pytest.mark.parametrize("mode", ["persistence", "own"])
def test_what_is_yet_to_come_changes_no_forecast_made_from_the_past(tmp_path, mode):
    values = [100.0 + n % 24 for n in range(40 * 24)]
    now = hour_of(datetime(2022, 5, 1, tzinfo=UTC)) + 30 * 24
    seen = []
    for later in (1.0, 7.0):
        other = values[: 30 * 24 + 1] + [later * value for value in values[30 * 24 + 1 :]]
        known = Truth(Trace(trace(tmp_path, {"FR": other})), ("FR",))
        seen.append(foresight(mode, known)(now))
    assert not np.isnan(seen[0]).any()
    assert np.array_equal(*seen)


def test_recorded_is_what_was_issued_last(tmp_path):
    path = tmp_path / "recorded.csv"
    rows = ["zone,issued_at,timestamp,gCO2eq_per_kWh,actual_gCO2eq_per_kWh"]
    for day in (20, 21):
        issued = datetime(2022, 5, day, tzinfo=UTC)
        rows += [
            f"FR,{issued:%Y-%m-%dT%H:%MZ},{issued + n * HOUR:%Y-%m-%dT%H:%MZ},{1000 + day},{n}"
            for n in range(96)
        ]
    path.write_text("\n".join(rows) + "\n")
    ahead = foresight("recorded", path=path)(FIRST)[1]
    # Issued at midnight for 96 hours, the first being hour 0: at 07:00 hours 8 to 95 are left.
    assert ahead[:88].tolist() == [1020.0] * 88
    assert np.isnan(ahead[88:]).all()
    assert np.isnan(foresight("recorded", path=path)(FIRST)[0]).all()
    assert foresight("recorded", path=path)(FIRST + 24)[1, 0] == 1021


def many_errors() -> np.ndarray:
    model = ErrorModel([f"zone-{n}" for n in range(200)], seed=1)
    return np.stack([model.errors(FIRST + n) for n in range(0, 240, 24)])  # (issues, zones, leads)


def test_drawn_errors_grow_with_the_lead_as_published():
    found = many_errors().std(axis=(0, 1))
    for lead, published in ((1, 0.05), (24, 0.09), (48, 0.12), (95, 0.14)):
        assert found[lead - 1] == pytest.approx(published, rel=0.08)
    assert np.allclose(sigma(np.array([1.0, 24, 48, 95])), [0.05, 0.09, 0.12, 0.14])


def test_drawn_errors_of_neighbouring_hours_go_together():
    errors = many_errors() / sigma(np.arange(1.0, LEADS + 1))
    size = (errors**2).mean()
    neighbours = (errors[..., 1:] * errors[..., :-1]).mean() / size
    assert neighbours == pytest.approx(0.91, abs=0.01)
    far = (errors[..., 40:] * errors[..., :-40]).mean() / size
    assert far == pytest.approx(0.0, abs=0.1)  # 0.91**40 is 0.02


def test_a_forecast_issued_anew_is_the_old_one_but_for_the_news():
    model = ErrorModel([f"zone-{n}" for n in range(400)], seed=1)
    before, after = model.errors(FIRST), model.errors(FIRST + 1)
    for lead in (6, 30, 90):
        old, new = before[:, lead], after[:, lead - 1]  # of the same hour
        revision = old - new
        assert np.corrcoef(old, new)[0, 1] > 0.8
        # What is revised was not to be foretold: it has nothing to do with what stays wrong.
        assert abs(np.corrcoef(revision, new)[0, 1]) < 0.2


def test_drawn_errors_depend_on_seed_zone_and_hours_alone():
    late = ErrorModel(["FR"], seed=1).errors(FIRST + 50)
    model = ErrorModel(["DE", "FR"], seed=1)
    for hour in range(51):
        errors = model.errors(FIRST + hour)
    assert np.array_equal(errors[1:], late)
    assert not np.allclose(ErrorModel(["FR"], seed=2).errors(FIRST + 50), late)


def test_a_factor_scales_the_drawn_errors():
    known = truth().hours(FIRST + 1, LEADS)
    once, twice, never = (
        foresight("ar1", error_factor=factor)(FIRST) / known - 1 for factor in (1, 2, 0)
    )
    assert np.allclose(twice, 2 * once)
    assert np.allclose(never, 0)


def virtual(mode: str = "ar1") -> tuple[VirtualClock, KnownNow, VirtualGrid]:
    known, clock = truth(), VirtualClock(NOW)
    signal = KnownNow(known, foresight(mode, known), clock)
    return clock, signal, VirtualGrid(signal)


@pytest.mark.parametrize("minutes", [0, 1, 59])
def test_the_virtual_grid_answers_as_productions_does_from_the_same_signal(minutes):
    clock, signal, grid = virtual()
    for hour in (0, 1, 30):
        clock.now = NOW + hour * HOUR + timedelta(minutes=minutes)
        plain = Grid(signal)
        for zone in ZONES:
            ours, theirs = grid.zone(zone, clock.now), plain.zone(zone, clock.now)
            assert (ours.reading, ours.week) == (theirs.reading, theirs.week)
            for hours in (0, 1, 24, 97, 120):
                ahead = plain.ahead(zone, clock.now, hours)
                assert grid.ahead(zone, clock.now, hours) == ahead
            for span_min in (0, 5, 200):
                start = clock.now - timedelta(minutes=span_min)
                for end in (clock.now, start):
                    mean = plain.comparable(zone, start, end)
                    assert grid.comparable(zone, start, end) == mean


def test_the_past_and_the_present_are_true_and_the_future_is_forecast():
    clock, signal, _ = virtual()
    readings = signal.readings("FR", NOW - 5 * HOUR, NOW + 5 * HOUR)
    known = truth().signal.readings("FR", NOW - 5 * HOUR, NOW + 5 * HOUR)
    assert readings[:6] == known[:6]
    assert [r.start for r in readings] == [r.start for r in known]
    assert all(r.quality == "forecast" and r.issued_at == clock.now for r in readings[6:])
    assert [r.gco2eq_per_kwh for r in readings[6:]] != [r.gco2eq_per_kwh for r in known[6:]]


def test_a_grid_with_gaps_is_unknown_there_and_its_forecast_ends_there(tmp_path):
    values: list[float | None] = [100.0 + n for n in range(240)]
    values[60] = values[100] = None
    signal = Trace(trace(tmp_path, {"FR": values}))
    known = Truth(signal, ("FR",))
    first = hour_of(datetime(2022, 5, 1, tzinfo=UTC))
    clock = VirtualClock(hour_start(first + 60))
    grid = VirtualGrid(KnownNow(known, foresight("perfect", known), clock))
    assert grid.zone("FR", clock.now).reading is None
    clock.now = hour_start(first + 96)
    assert grid.ahead("FR", clock.now, 10) == (196.0, 197.0, 198.0, 199.0)
    assert grid.zone("FR", clock.now).week == Grid(signal).zone("FR", clock.now).week
