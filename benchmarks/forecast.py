"""How far off forecasts of carbon intensity are, beside persistence and CarbonCast's published.

Every forecast is made by `scheduler.carbon.forecast.forecast` from the hours before its origin, and
from nothing else. The model was designed on CarbonCast's zones from June 2020 to June 2021; what
is measured here lies after that, or in another year and of another source.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.forecast_data import LEADS, Dataset, Hours
from scheduler.carbon.forecast import Forecast, forecast
from scheduler.carbon.forecast.hourly_history import WINDOW
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.carbon.signals.weather import Floats

_NEAR_ZERO_GCO2EQ_PER_KWH = 1.0
"""Below this, an error as a share of the truth means nothing, and is left out."""

WINDOW_H, CLEANEST_H = 48, 8
"""A forecast's gain is of the hours it calls cleanest, so many of so many ahead."""

PERSISTENCE, OURS, PUBLISHED = "persistence", "ours", "CarbonCast"


@dataclass(frozen=True)
class Measured:
    """One zone's figures; those by method are of shape `(days ahead,)`.

    Attributes:
        zone: Electricity Maps zone id.
        mape: Mean absolute error as a share of the truth.
        mae_gco2eq_per_kwh: Mean absolute error.
        gain: Share of the possible saving that the hours it calls cleanest get; see `gain`.
        covered: Share of true values from our 10 % to our 90 % quantile.
        profile_share: Share of origins at which `profile` was chosen and not `persistence`.
        origins: How many forecasts.
        ms: Milliseconds that each of our forecasts took, shape `(origins,)`.
    """

    zone: str
    mape: dict[str, Floats]
    mae_gco2eq_per_kwh: dict[str, Floats]
    gain: dict[str, float]
    covered: Floats
    profile_share: float
    origins: int
    ms: Floats


def measure_zone(data: Dataset, zone: str) -> Measured:
    """Return how far off the forecasts of one zone are."""
    hours, published = data.hours[zone], data.published.get(zone)
    origins = [o for o in data.origins if _complete(hours, o) and (not published or o in published)]
    ours, ms = zip(*(_timed(data, zone, origin) for origin in origins), strict=True)
    truth = _table([_values(hours, o, o + LEADS) for o in origins])
    tables = {
        PERSISTENCE: _table([_values(hours, o - 24, o) * (LEADS // 24) for o in origins]),
        OURS: _table([[r.gco2eq_per_kwh for r in f.readings] for f in ours]),
    }
    if published:
        tables[PUBLISHED] = _table([published[o] for o in origins])
    errors = {name: np.abs(values - truth) for name, values in tables.items()}
    counts = truth >= _NEAR_ZERO_GCO2EQ_PER_KWH
    shares = {
        n: np.where(counts, e / np.where(counts, truth, 1), np.nan) for n, e in errors.items()
    }
    low = _table([[r.low_gco2eq_per_kwh or 0.0 for r in f.readings] for f in ours])
    high = _table([[r.high_gco2eq_per_kwh or 0.0 for r in f.readings] for f in ours])
    return Measured(
        zone=zone,
        mape={name: _by_day(share) for name, share in shares.items()},
        mae_gco2eq_per_kwh={name: _by_day(error) for name, error in errors.items()},
        gain={name: gain(values, truth) for name, values in tables.items()},
        covered=_by_day(((low <= truth) & (truth <= high)).astype(np.float64)),
        profile_share=sum(f.method == "profile" for f in ours) / len(ours),
        origins=len(origins),
        ms=np.array(ms),
    )


def gain(forecasts: Floats, truth: Floats) -> float:
    """Return the share of the possible saving that the hours called cleanest get.

    Of each origin the mean of the first `WINDOW_H` hours is what training at any time emits, and
    the mean of the `CLEANEST_H` cleanest of them is the least. The saving is how far the hours that
    the forecast calls cleanest lie below that mean; ties go to the earlier hour. 1 is perfect
    foresight, 0 what chance gets, below 0 worse than chance. Sums over origins are divided, so that
    flat days, on which there is nothing to save, count little.

    Args:
        forecasts: What was forecast, `(origins, hours)`, gCO2eq/kWh.
        truth: What came, of the same shape.
    """
    chosen = np.argsort(forecasts[:, :WINDOW_H], axis=1, kind="stable")[:, :CLEANEST_H]
    ahead = truth[:, :WINDOW_H]
    usual = ahead.mean(axis=1)
    got = usual - np.take_along_axis(ahead, chosen, axis=1).mean(axis=1)
    possible = usual - np.sort(ahead, axis=1)[:, :CLEANEST_H].mean(axis=1)
    return float(got.sum() / possible.sum()) if possible.sum() > 0 else float("nan")


def _timed(data: Dataset, zone: str, origin: int) -> tuple[Forecast, float]:
    past = _readings(data, zone, origin)
    begun = time.perf_counter()
    made = forecast(zone, past, now=hour_start(origin), hours=LEADS)
    took_ms = 1000 * (time.perf_counter() - begun)
    if made is None:
        msg = f"{zone} has too little history before {hour_start(origin)}: begin later"
        raise ValueError(msg)
    return made, took_ms


def _readings(data: Dataset, zone: str, origin: int) -> list[Reading]:
    hours = data.hours[zone]
    return [
        Reading(
            zone=zone,
            start=hour_start(hour),
            end=hour_start(hour) + HOUR,
            gco2eq_per_kwh=hours[hour],
            source="benchmark",
            family=data.family,
            quality="measured",
        )
        for hour in range(origin - WINDOW, origin)
        if hour in hours
    ]


def _complete(hours: Hours, origin: int) -> bool:
    return all(hour in hours for hour in range(origin - 24, origin + LEADS))


def _values(hours: Hours, start: int, end: int) -> list[float]:
    return [hours[hour] for hour in range(start, end)]


def _table(rows: list[list[float]]) -> Floats:
    return np.array(rows, dtype=np.float64)


def _by_day(table: Floats) -> Floats:
    """Return the mean of each day ahead of a table of shape `(origins, LEADS)`."""
    means: Floats = np.nanmean(table.reshape(len(table), -1, 24), axis=(0, 2))
    return means
