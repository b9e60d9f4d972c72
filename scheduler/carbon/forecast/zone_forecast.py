"""A forecast of one zone, and how well its method did before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.carbon.reading import Reading


@dataclass(frozen=True, slots=True)
class Backtest:
    """How far a method was off on the zone's own last weeks, each time knowing only what was past.

    Origins near the present hour of the day count more, as the next hours will be like theirs.

    Attributes:
        mae_gco2eq_per_kwh: Mean absolute error over all hours of the forecast.
        mape: Mean absolute error as a share of the true intensity, 1 being the whole; `None` if
            some true intensity is near zero, where a share means nothing.
        origins: How many past hours a forecast was issued from.
    """

    mae_gco2eq_per_kwh: float
    mape: float | None
    origins: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a zone's carbon intensity will probably be, hour by hour.

    Attributes:
        zone: Electricity Maps zone id.
        issued_at: When it was issued, aware.
        method: The method that made it: ``persistence`` or ``profile``.
        readings: One an hour without a gap, the first holding at `issued_at`; each with its 10 %
            and 90 % quantile where the history is long enough for them.
        backtest: How well the method did on the same zone; `None` if the history is too short.
    """

    zone: str
    issued_at: datetime
    method: str
    readings: tuple[Reading, ...]
    backtest: Backtest | None
