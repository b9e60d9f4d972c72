"""Histories of invented zones."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.forecast import Forecast, forecast
from scheduler.carbon.forecast.hourly_history import HourlyHistory
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hour_number
from scheduler.carbon.signals.weather import Floats
from scheduler.ledger.events.grid import Quality

HOUR = timedelta(hours=1)
NOW = datetime(2026, 7, 1, tzinfo=UTC)  # a Wednesday


def reading(
    start: datetime,
    value: float,
    *,
    slot: timedelta = HOUR,
    quality: Quality = "measured",
    source: str = "grid",
) -> Reading:
    return Reading("DE", start, start + slot, float(value), source, FLOW_TRACED, quality)


def readings(
    values: Iterable[float],
    *,
    end: datetime = NOW,
    quality: Quality = "measured",
    source: str = "grid",
) -> list[Reading]:
    """Return one reading an hour, the last of which ends at `end`."""
    figures = list(values)
    start = end - len(figures) * HOUR
    return [
        reading(start + i * HOUR, value, quality=quality, source=source)
        for i, value in enumerate(figures)
    ]


def history(values: Floats) -> HourlyHistory:
    """Return hourly values, the last of which ends at `NOW`."""
    return HourlyHistory("DE", "grid", FLOW_TRACED, hour_number(NOW), values)


def forecast_of(known: Sequence[Reading], *, now: datetime = NOW, hours: int = 48) -> Forecast:
    """Return a forecast where there must be one."""
    made = forecast("DE", known, now=now, hours=hours)
    assert made is not None
    return made


def solar_grid(hours: int, *, seed: int = 0, phi: float = 0.95, std: float = 30.0) -> Floats:
    """Return a day with a dip at noon, and an AR(1) process of deviation `std` on top."""
    drawn = np.random.default_rng(seed).normal(size=hours + 200) * std * np.sqrt(1 - phi**2)
    weather = np.zeros(hours + 200)
    for i in range(1, len(weather)):
        weather[i] = phi * weather[i - 1] + drawn[i]
    values: Floats = 300 + 100 * np.cos(2 * np.pi * np.arange(hours) / 24) + weather[200:]
    return values
