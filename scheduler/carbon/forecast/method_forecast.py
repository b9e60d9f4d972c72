"""The forecast of one method, and the errors it would have made before."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.carbon.forecast.hourly_history import DAY
from scheduler.carbon.signals.weather import Floats

TRIED = 28 * DAY
"""Hours. How many of the last origins a method is tried from."""


@dataclass(frozen=True, slots=True, eq=False)
class MethodForecast:
    """The forecast of one method from the end of a history of `n` hours.

    Attributes:
        values: Carbon intensities in gCO2eq/kWh, the first one hour after the last known;
            shape `(leads,)`.
        errors: Truth less forecast in gCO2eq/kWh, shape `(origins, leads)`. Each row was issued
            from one known hour, the last row from the last but one; each column is one lead. NaN
            where the truth is not known yet.
    """

    values: Floats
    errors: Floats

    def weights(self, nearness: Floats) -> Floats:
        """Return `nearness`, shape `(n,)`, of the errors' origins, shape `(origins, 1)`."""
        return nearness[-1 - len(self.errors) : -1, None]
