"""Carbon intensities of electricity grids: one signal a module, chosen by a setting."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import SettingError
from common.settings import Settings
from scheduler.carbon.signal import Signal
from scheduler.carbon.static import Static
from scheduler.carbon.trace import Trace
from scheduler.carbon.typical_day import TypicalDay, typical_days


def make_signal(settings: Settings) -> Signal:
    """Return the signal that the settings choose.

    Raises:
        SettingError: If the trace is not named, cannot be read or is malformed, or a static
            intensity is implausible.
    """
    return _FACTORIES[settings.signal](settings)


def _typical_day(_settings: Settings) -> Signal:
    return TypicalDay()


def _trace(settings: Settings) -> Signal:
    if settings.trace_path is None:
        msg = (
            "FAIRWIND_SIGNAL is trace, but no trace is named, so there are no carbon intensities. "
            "Let FAIRWIND_TRACE_PATH name a CSV file."
        )
        raise SettingError(msg)
    return Trace(settings.trace_path)


def _static(settings: Settings) -> Signal:
    means = {zone: figures.mean_gco2eq_per_kwh for zone, figures in typical_days().items()}
    return Static(settings.static_gco2eq_per_kwh or means)


_FACTORIES: dict[str, Callable[[Settings], Signal]] = {
    "typical_day": _typical_day,
    "trace": _trace,
    "static": _static,
}
