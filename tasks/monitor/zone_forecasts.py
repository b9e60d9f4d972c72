"""Forecasts of each zone for the next 24 hours, as the page draws them.

The page must never fail with what only adds to it: where a zone is unknown, there is no forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from common.errors import FairwindError, SignalError
from common.settings import Settings
from scheduler.carbon.local_signal import make_signal
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.signal import Signal
from scheduler.carbon.sources import is_live
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.roles import carbon_folder

AHEAD: Final = timedelta(hours=24)


class ZoneForecasts:
    """Forecasts from the zone histories, or from a local signal.

    Args:
        settings: Which of both, and where.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signal: Signal | None = None

    def signal(self) -> Signal:
        """Return a signal with the newest readings.

        Raises:
            SettingError: If the local signal cannot be made.
        """
        if self._signal is None:
            self._signal = _make(self._settings)
        if isinstance(self._signal, ZoneHistories):
            self._signal.renew()
        return self._signal

    def forecasts(self, zones: Iterable[str], now: datetime) -> dict[str, dict[str, Any]]:
        """Return the forecasts of zones for the 24 hours from `now`; unknown zones are left out."""
        found = {}
        with suppress(FairwindError):
            signal = self.signal()
            for zone in zones:
                with suppress(SignalError):
                    found[zone] = outlook(signal.readings(zone, now, now + AHEAD), now)
        return found


def outlook(readings: Sequence[Reading], now: datetime) -> dict[str, Any]:
    """Return readings of one zone as a page draws them, from `now` on.

    Where nothing is known after a reading, the value is `None`. Quality, method and time of
    issue are those of the least sure reading of what is still to come.

    Args:
        readings: At least one, in order, the first of which may have begun before `now`.
        now: The time on the grid clock.
    """
    points: list[tuple[float, Reading | None]] = []
    for reading in readings:
        if points and (end := readings[len(points) - 1].end) < reading.start:
            points.append((end.timestamp(), None))
        points.append((max(reading.start, now).timestamp(), reading))
    ahead = [r for r in readings if r.start > now] or list(readings)
    least = max(ahead, key=lambda r: SUREST_FIRST.index(r.quality))
    banded = any(r.low_gco2eq_per_kwh is not None for r in readings)
    return {
        "times": [at for at, _ in points],
        "values": [r and r.gco2eq_per_kwh for _, r in points],
        "low": [r and _bound(r, r.low_gco2eq_per_kwh) for _, r in points] if banded else None,
        "high": [r and _bound(r, r.high_gco2eq_per_kwh) for _, r in points] if banded else None,
        "issued": least.issued_at.timestamp() if least.issued_at else None,
        "method": least.method,
        "quality": least.quality,
        "source": least.source,
    }


def _bound(reading: Reading, quantile: float | None) -> float:
    """Return a quantile; what is known has no spread, so that a band opens from it."""
    return reading.gco2eq_per_kwh if quantile is None else quantile


def _make(settings: Settings) -> Signal:
    if not is_live(settings):
        return make_signal(settings)
    return ZoneHistories(carbon_folder(settings.folder))
