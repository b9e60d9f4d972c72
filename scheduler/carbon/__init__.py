"""Carbon intensities of electricity grids: one source a module, chosen by a setting."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import SettingError
from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.signal import Signal
from scheduler.carbon.signals.static import Static
from scheduler.carbon.signals.trace import Trace
from scheduler.carbon.signals.typical_day import TypicalDay, typical_days


def chain(settings: Settings, zone: str) -> tuple[Source, ...]:
    """Return the chain of sources of a zone, best first."""
    return settings.signal_by_zone.get(zone, settings.signal)


def is_live(settings: Settings) -> bool:
    """Return whether readings are fetched and cached: several sources, or one over the network."""
    return bool(settings.signal_by_zone) or len(settings.signal) > 1 or settings.signal[0] in LIVE


def federation_family(settings: Settings) -> Family:
    """Return what the federation counts: the family of the first source in its chain."""
    name = settings.signal[0]
    return LIVE[name](settings) if name in LIVE else FLOW_TRACED


def make_signal(settings: Settings, name: Source | None = None) -> Signal:
    """Return a local signal: the one named, or the one that the settings choose.

    Raises:
        SettingError: If the trace is not named, cannot be read or is malformed, or a static
            intensity is implausible.
    """
    return LOCAL[name or settings.signal[0]](settings)


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


LOCAL: dict[Source, Callable[[Settings], Signal]] = {
    "typical_day": _typical_day,
    "trace": _trace,
    "static": _static,
}
"""Signals that need no network and answer for any hour."""

LIVE: dict[Source, Callable[[Settings], Family]] = {
    "electricity_maps": lambda s: Family("average", s.electricity_maps_scope, "consumption"),
    "watttime": lambda _: Family("marginal", "direct", "production"),
    "neso": lambda _: Family("average", "direct", "consumption"),
}
"""Providers over the network, and what their figures count."""
