"""The same hour yesterday.

    forecast(t + h) = y(t + h - 24 k),  k = ceil(h / 24)

where y is the intensity, t the last known hour and h the lead in hours. Rob J. Hyndman and George
Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., OTexts 2021, section 5.2 (the
"seasonal naive method"), https://otexts.com/fpp3/simple-methods.html
"""

from __future__ import annotations

import numpy as np

from scheduler.carbon.forecast.hourly_history import DAY, HourlyHistory, days_ahead
from scheduler.carbon.forecast.method_forecast import TRIED, MethodForecast


def persistence(history: HourlyHistory, leads: int) -> MethodForecast:
    """Return the forecast of `leads` hours; see `MethodForecast`."""
    y = history.values
    n = len(y)
    first = max(DAY - 1, n - TRIED)
    errors = np.full((n - 1 - first, leads), np.nan)
    for lead in range(1, min(leads, len(errors)) + 1):
        back = DAY * days_ahead(lead)
        known = n - lead - first
        errors[:known, lead - 1] = y[first + lead :] - y[first + lead - back : n - back]
    return MethodForecast(np.resize(y[-DAY:], leads), errors)
