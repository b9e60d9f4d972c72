"""Local signals: they need no network and answer for any hour."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import SettingError
from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.signal import Signal
from scheduler.carbon.signals.day_shape import typical_days
from scheduler.carbon.signals.static import Static
from scheduler.carbon.signals.trace import Coverage, Trace
from scheduler.carbon.signals.typical_day import TypicalDay


def make_signal(settings: Settings, name: Source | None = None) -> Signal:
    """Return a local signal: the one named, or the one that the settings choose.

    Raises:
        SettingError: If the trace is not named, cannot be read or is malformed, or a static
            intensity is implausible.
    """
    return LOCAL[name or settings.signal[0]](settings)


def trace_coverage(settings: Settings) -> list[Coverage]:
    """Return what was read of each zone of the trace; empty where no source is one.

    Raises:
        SettingError: As `make_signal`.
    """
    if not any("trace" in names for names in (settings.signal, *settings.signal_by_zone.values())):
        return []
    trace = _trace(settings)
    return [trace.coverage(zone) for zone in trace.zones()]


def _typical_day(_settings: Settings) -> Signal:
    return TypicalDay()


def _trace(settings: Settings) -> Trace:
    if settings.trace_path is None:
        msg = (
            "FAIRWIND_SIGNAL is trace, but no trace is named, so there are no carbon intensities. "
            "Let FAIRWIND_TRACE_PATH name a CSV file, or a folder of them."
        )
        raise SettingError(msg)
    return Trace(settings.trace_path, settings.trace_scope)


def _static(settings: Settings) -> Signal:
    means = {zone: figures.mean_gco2eq_per_kwh for zone, figures in typical_days().items()}
    return Static(settings.static_gco2eq_per_kwh or means)


LOCAL: dict[Source, Callable[[Settings], Signal]] = {
    "typical_day": _typical_day,
    "trace": _trace,
    "static": _static,
}
"""Signals that need no network and answer for any hour."""
