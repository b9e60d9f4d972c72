"""The signal of yearly means: flat, so it differs between zones but never between hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.errors import SettingError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading, implausible
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping, unknown_zone


class Static:
    """One carbon intensity a zone, the same at all times.

    Args:
        gco2eq_per_kwh: Yearly mean of each zone: average, life-cycle, consumption-based.

    Raises:
        SettingError: If there is no zone, or an intensity is implausible.
    """

    name = "static"

    def __init__(self, gco2eq_per_kwh: Mapping[str, float]) -> None:
        if not gco2eq_per_kwh:
            msg = (
                "The static signal was given no zone, so it has no figures. "
                'Set FAIRWIND_STATIC_GCO2EQ_PER_KWH, e.g. {"FR": 56}, or leave it out.'
            )
            raise SettingError(msg)
        for zone, value in gco2eq_per_kwh.items():
            if fault := implausible(value):
                msg = (
                    f"FAIRWIND_STATIC_GCO2EQ_PER_KWH is {value} for {zone}, which {fault}, so "
                    f"the static signal was not made. Give the yearly mean in gCO2eq/kWh."
                )
                raise SettingError(msg)
        self._means = dict(gco2eq_per_kwh)

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return tuple(sorted(self._means))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour that overlaps `[start, end)`, in order; see `Signal.readings`."""
        if zone not in self._means:
            raise unknown_zone(self.name, zone, self._means)
        return [self._reading(zone, hour) for hour in hours_overlapping(start, end)]

    def _reading(self, zone: str, hour: int) -> Reading:
        start = hour_start(hour)
        return Reading(
            zone=zone,
            start=start,
            end=start + HOUR,
            gco2eq_per_kwh=self._means[zone],
            source=self.name,
            family=FLOW_TRACED,
            quality="modelled",
        )
