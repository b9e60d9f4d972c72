"""A range rests on published errors alone; where there is none, it says so."""

from dataclasses import replace
from typing import Any

import pytest

from common.messages import Energy, EnergyPart
from scheduler.accounting.booking import Booking
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.mean import Mean
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hour_number
from scheduler.carbon.signals.day_shape import typical_days
from scheduler.ledger.events.grid import Quality
from scheduler.report.uncertainty import range_of
from tests.unit.scheduler.story import HOUR, NOON, reading


def work(quality: Quality, **energy: Any) -> Booking:
    """Return 100 Wh at 100 gCO2eq/kWh: 10 g."""
    used = Energy(energy_wh=100.0, method="test", quality="measured", pue=1.0, **energy)
    mean = Mean(100.0, FLOW_TRACED, quality, ("test",), None)
    return Booking(
        "r", 1, "a", "FR", "counted", NOON, NOON + HOUR, used, None, 1, mean, None, comparable=True
    )


def gpu() -> dict[str, Any]:
    part = EnergyPart(device="gpu", energy_wh=100.0, method="nvml", quality="measured")
    return {"parts": (part,)}


def test_what_no_published_error_covers_is_not_quantified():
    found = range_of([work("measured"), work("estimated")], {})
    assert (found.low_gco2eq, found.high_gco2eq) == (None, None)
    assert (found.energy_quantified_share, found.intensity_quantified_share) == (0.0, 0.0)


def test_a_forecast_without_quantiles_has_the_published_error():
    found = range_of([work("forecast")], {})
    assert (found.low_gco2eq, found.high_gco2eq) == pytest.approx((8.92, 11.08))


def test_a_forecast_with_quantiles_has_its_own():
    told = reading("FR", 100.0, NOON, quality="forecast", issued_at=NOON)
    told = replace(told, low_gco2eq_per_kwh=80.0, high_gco2eq_per_kwh=130.0)
    found = range_of([work("forecast")], {"FR": {hour_number(NOON): told}})
    assert (found.low_gco2eq, found.high_gco2eq) == pytest.approx((8.0, 13.0))


def test_a_forecast_of_zero_has_no_relative_error_of_its_own():
    told: Reading = reading("FR", 0.0, NOON, quality="forecast", issued_at=NOON)
    told = replace(told, low_gco2eq_per_kwh=0.0, high_gco2eq_per_kwh=5.0)
    assert range_of(
        [work("forecast")], {"FR": {hour_number(NOON): told}}
    ).high_gco2eq == pytest.approx(11.08)


def test_the_typical_day_has_the_spread_of_its_fit():
    modelled = replace(work("modelled"), booked=Mean(
        100.0, FLOW_TRACED, "modelled", ("typical_day",), None
    ))  # fmt: skip
    spread = typical_days()["FR"].residual_std
    assert range_of([modelled], {}).high_gco2eq == pytest.approx(10 * (1 + spread))


def test_errors_of_meter_and_intensity_go_the_same_way():
    found = range_of([work("forecast", **gpu())], {})
    assert found.high_gco2eq == pytest.approx(10 * 1.05 * 1.108)


def test_only_the_metered_part_of_an_energy_has_the_error_of_the_meter():
    cpu = EnergyPart(device="cpu", energy_wh=60.0, method="cpu", quality="modelled")
    (part,) = gpu()["parts"]
    found = range_of(
        [work("measured", parts=(part.model_copy(update={"energy_wh": 40.0}), cpu))], {}
    )
    assert (found.low_gco2eq, found.high_gco2eq) == pytest.approx((9.8, 10.2))
    assert found.energy_quantified_share == pytest.approx(0.4)


def test_what_is_not_quantified_keeps_its_figure_and_lowers_the_share():
    found = range_of([work("measured", **gpu()), work("measured")], {})
    assert (found.low_gco2eq, found.high_gco2eq) == pytest.approx((19.5, 20.5))
    assert found.energy_quantified_share == 0.5
