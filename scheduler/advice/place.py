"""A client's place in the federation, cause by cause: what its emissions are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from common.units import show_energy, show_intensity, show_share
from scheduler.advice.practice import Practice


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of emissions: how it is read from a practice, and how its figure is shown."""

    name: str
    unit: str
    figure: Callable[[Practice], float | None]
    show: Callable[[float], str]


CAUSES = (
    Cause("grid", "gCO2eq/kWh", lambda p: p.gco2eq_per_kwh, show_intensity),
    Cause("energy per example", "J", lambda p: p.joule_per_sample, lambda x: f"{x:.2g} J"),
    Cause("facility overhead (PUE)", "", lambda p: p.pue, lambda x: f"{x:.2f}"),
    Cause("waiting hardware", "", lambda p: p.idle_share, show_share),
    Cause("communication", "Wh", lambda p: p.network_wh, show_energy),
)
"""Of all of them, less is better."""


_ALIKE = 0.01
"""Clients that differ by less than this share have the same place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One cause at one client: its figure, its rank (1 is best) and the median of its peers."""

    cause: str
    figure: float
    unit: str
    shown: str
    peers_median: float
    shown_median: str
    rank: int
    of: int


def find_places(client: str, practices: Mapping[str, Practice]) -> tuple[Place, ...]:
    """Return a client's place in every cause that it and one of its peers know.

    Args:
        client: Whose place it is.
        practices: By client, all of the same runs, so that energy per example can be compared.
    """
    found = []
    for cause in CAUSES:
        known = {name: cause.figure(practice) for name, practice in practices.items()}
        own = known.pop(client, None)
        peers = [figure for figure in known.values() if figure is not None]
        if own is None or not peers:
            continue
        middle = median(peers)
        rank = 1 + sum(figure < own * (1 - _ALIKE) for figure in peers)
        found.append(
            Place(
                cause.name, own, cause.unit, cause.show(own), middle, cause.show(middle), rank,
                len(peers) + 1,
            )
        )  # fmt: skip
    return tuple(found)
