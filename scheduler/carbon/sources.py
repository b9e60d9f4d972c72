"""The sources of carbon intensities that the settings name: in which order, and what they count."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.family import FLOW_TRACED, Family


def chain(settings: Settings, zone: str) -> tuple[Source, ...]:
    """Return the chain of sources of a zone, best first."""
    return settings.signal_by_zone.get(zone, settings.signal)


def is_live(settings: Settings) -> bool:
    """Return whether readings are fetched and cached: several sources, or one over the network."""
    return bool(settings.signal_by_zone) or len(settings.signal) > 1 or settings.signal[0] in LIVE


def federation_family(settings: Settings) -> Family:
    """Return what the federation counts: the family of the first source in its chain."""
    return family_of(settings, settings.signal[0])


def family_of(settings: Settings, name: Source) -> Family:
    """Return what a source counts."""
    if name == "trace":
        return Family("average", settings.trace_scope, "consumption")
    return LIVE[name](settings) if name in LIVE else FLOW_TRACED


LIVE: dict[Source, Callable[[Settings], Family]] = {
    "electricity_maps": lambda s: Family("average", s.electricity_maps_scope, "consumption"),
    "watttime": lambda _: Family("marginal", "direct", "production"),
    "neso": lambda _: Family("average", "direct", "consumption"),
}
"""Providers over the network, and what their figures count."""

LOCAL_SOURCES = frozenset(get_args(Source)) - LIVE.keys()
"""Sources that need no network; `local_signal` makes them."""
