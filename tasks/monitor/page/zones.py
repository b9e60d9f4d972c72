"""The zones as the page draws them: figures of all of them, lines of those with most clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from tasks.monitor.page.query import counted
from tasks.monitor.page.thinning import thinned

MOST_LINES: Final = 16
"""More lines cannot be distinguished in one chart; the table has every zone."""

_MOST_POINTS: Final = 2000
"""Of all lines together, where readings come at irregular times, which cost most bytes."""

_MOST_REGULAR: Final = 400
"""Of one line."""

_HOUR_S: Final = 3600.0
_NAMED: Final = 3


def drawn(zones: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the zones that are drawn, sorted: those with readings and with most clients."""

    def rank(zone: Mapping[str, Any]) -> tuple[bool, int, str]:
        return not zone["times"], -len(zone["clients"]), zone["zone"]

    return sorted(zone["zone"] for zone in sorted(zones, key=rank)[:MOST_LINES])


def zone_rows(
    zones: Sequence[Mapping[str, Any]], clients: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return each zone by its name.

    Args:
        zones: As `zones_seen` of `scheduler.status.zones` describes them.
        clients: As `scheduler.status.client_rows` describes them.
    """
    of_zone: dict[str, list[Mapping[str, Any]]] = {}
    for client in clients:
        of_zone.setdefault(client["zone"], []).append(client)
    lines = drawn(zones)
    most = _MOST_POINTS // max(1, len(lines))
    return {
        zone["zone"]: {
            "signal": zone["signal"],
            "source": zone["source"],
            "quality": zone["quality"],
            "family": zone["family"],
            **_clients(of_zone.get(zone["zone"], [])),
            **(_line(zone["times"], zone["values"], most) if zone["zone"] in lines else {}),
        }
        for zone in zones
    }


def _clients(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "intensity": rows[0]["intensity"] if rows else None,
        "clients": len(rows),
        "names": [row["client"] for row in rows[:_NAMED]],
        "gates": counted(rows, "gate"),
        "states": counted(rows, "state"),
        "gco2eq": sum(row["gco2eq"] for row in rows),
    }


def _line(times: Sequence[float], values: Sequence[float | None], most: int) -> dict[str, Any]:
    regular = len(times) <= _MOST_REGULAR and "step" in short_times(times)
    kept = thinned(times, values, unit=_HOUR_S, most=_MOST_REGULAR if regular else most)
    return {
        **short_times([times[i] for i in kept]),
        "values": [_rounded(values[i]) for i in kept],
    }


def short_times(times: Sequence[float]) -> dict[str, Any]:
    """Return times as they are, or as their begin and step where they are regular."""
    steps = Counter(later - earlier for earlier, later in pairwise(times))
    if len(steps) == 1:
        return {"start": times[0], "step": next(iter(steps))}
    return {"times": list(times)}


def forecast_row(ahead: Mapping[str, Any]) -> dict[str, Any]:
    """Return a forecast as `outlook` describes it, in fewer bytes."""
    lines = {
        name: ahead[name] and [_rounded(value) for value in ahead[name]]
        for name in ("values", "low", "high")
    }
    others = {name: ahead[name] for name in ahead if name not in {"times", *lines}}
    return {**short_times(ahead["times"]), **lines, **others}


def _rounded(gco2eq_per_kwh: float | None) -> float | None:
    return None if gco2eq_per_kwh is None else round(gco2eq_per_kwh, 1)
