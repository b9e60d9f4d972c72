"""Uncertainty: the range of a sum of emissions, from published figures alone.

Where no figure exists, nothing is assumed: the share of such energy stands beside the range, and
the true range is wider. Errors of one source are correlated for hours (of forecasts by 0.91 from
hour to hour), so the ends of the range are added up: nothing is taken to average out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from scheduler.accounting.booking import Booking
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hours_overlapping
from scheduler.carbon.signals.day_shape import typical_days

Spread = Mapping[str, Mapping[int, Reading]]
"""By zone, forecasts that had quantiles, by hour since 1970."""

FORECAST_ERROR = 0.108
"""Day-ahead MAPE of published forecasts: 2.4 % to 10.8 % by zone, of which the largest (CarbonCast:
Maji, Shenoy and Sitaraman, BuildSys 2022; own evaluation of its published data, 2026-11)."""

GPU_ERROR = 0.05
"""NVIDIA, NVML API reference, nvmlDeviceGetPowerUsage: within 5 % of the current power draw."""


@dataclass(frozen=True, slots=True)
class Range:
    """Range of the emissions by published errors, gCO2eq.

    Attributes:
        low_gco2eq: Lower end; `None` if no error is quantified.
        high_gco2eq: Upper end; likewise.
        energy_quantified_share: Share of the energy whose meter has a published error, 0 to 1.
        intensity_quantified_share: Share of it whose intensity has one, 0 to 1.
    """

    low_gco2eq: float | None
    high_gco2eq: float | None
    energy_quantified_share: float
    intensity_quantified_share: float


def range_of(bookings: Iterable[Booking], spread: Spread) -> Range:
    """Return the range of the settled emissions of some bookings."""
    low, high, metered_wh, forecast_wh, all_wh = [], [], [], [], []
    for booking in bookings:
        grams, energy_wh = booking.settled_gco2eq, booking.energy_wh
        if grams is None or energy_wh is None:
            continue
        metered, intensity = _metered_share(booking), _intensity_error(booking, spread)
        all_wh.append(energy_wh)
        metered_wh.append(metered * energy_wh)
        forecast_wh += [energy_wh] if intensity is not None else []
        below, above = intensity or (0.0, 0.0)
        low.append(grams * (1 - metered * GPU_ERROR) * (1 - below))
        high.append(grams * (1 + metered * GPU_ERROR) * (1 + above))
    whole = math.fsum(all_wh)
    quantified = any(metered_wh) or bool(forecast_wh)
    return Range(
        low_gco2eq=math.fsum(low) if quantified else None,
        high_gco2eq=math.fsum(high) if quantified else None,
        energy_quantified_share=math.fsum(metered_wh) / whole if whole else 0.0,
        intensity_quantified_share=math.fsum(forecast_wh) / whole if whole else 0.0,
    )


def _metered_share(booking: Booking) -> float:
    """Return the share of the energy whose meter has a published error: the counters of GPUs."""
    parts = booking.energy.parts if booking.energy else ()
    whole = math.fsum(part.energy_wh for part in parts)
    gpus = [p.energy_wh for p in parts if p.device == "gpu" and p.quality == "measured"]
    return math.fsum(gpus) / whole if whole else 0.0


def _intensity_error(booking: Booking, spread: Spread) -> tuple[float, float] | None:
    """Return how far below and above the truth may lie, relative; `None` if not quantified."""
    mean = booking.best
    if mean is None:
        return None
    if mean.quality == "forecast":
        return _quantiles(booking, spread) or (FORECAST_ERROR, FORECAST_ERROR)
    if mean.sources == ("typical_day",) and booking.zone in typical_days():
        residual = typical_days()[booking.zone].residual_std
        return (residual, residual)
    return None


def _quantiles(booking: Booking, spread: Spread) -> tuple[float, float] | None:
    """Return the forecasts' own 10 % and 90 % quantiles while the work ran, relative."""
    start, end = booking.started_at, booking.ended_at
    if start is None or end is None:
        return None
    forecasts = spread.get(booking.zone, {})
    hours = hours_overlapping(start, max(end, start + timedelta.resolution))
    inside = [forecasts[hour] for hour in hours if hour in forecasts]
    value = math.fsum(r.gco2eq_per_kwh for r in inside)
    if not value:
        return None
    low = math.fsum(r.low_gco2eq_per_kwh or 0.0 for r in inside)
    high = math.fsum(r.high_gco2eq_per_kwh or 0.0 for r in inside)
    return (max(0.0, 1 - low / value), max(0.0, high / value - 1))
