"""The signal that needs no network and no key: each zone's typical day, season by season.

`typical_day.csv` holds figures fitted to every hour of 2022. The daily and seasonal shape is real,
the weather is drawn (see `weather.py`), so no reading is what the grid did at that hour: all are
labelled `modelled`.

Contains carbon-intensity data from Electricity Maps (electricitymaps.com), ODbL 1.0.
"""

from __future__ import annotations

from datetime import datetime

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hours_overlapping, unknown_zone
from scheduler.carbon.signals.day_shape import typical_days


class TypicalDay:
    """Carbon intensities of 29 zones at any time, modelled on 2022."""

    name = "typical_day"

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return tuple(sorted(typical_days()))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour that overlaps `[start, end)`, in order; see `Signal.readings`."""
        from scheduler.carbon.signals.typical_hours import hours_of_day  # noqa: PLC0415 - loads NumPy

        if zone not in typical_days():
            raise unknown_zone(self.name, zone, typical_days())
        return [hours_of_day(zone, hour // 24)[hour % 24] for hour in hours_overlapping(start, end)]
