"""What there is to see of the grid: each zone's readings, its active source, what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scheduler.federation.federation import Federation, Run
from scheduler.federation.run_grid import GridSeries, grid_now, grid_of
from scheduler.status.names import listed


def reading_now(state: Federation, zone: str) -> dict[str, Any] | None:
    """Return what holds in a zone and what it may be compared to, `None` if unknown."""
    reading = state.grid[zone].latest if zone in state.grid else None
    if reading is None:
        return None
    return {
        "gco2eq_per_kwh": reading.gco2eq_per_kwh,
        "source": reading.source,
        "quality": reading.quality,
        "family": str(reading.family),
    }


def fallback(state: Federation, zone: str) -> dict[str, Any] | None:
    """Return the source in use for a zone in place of the expected one, `None` if that is."""
    signal = state.signals.get(zone)
    if signal is None or signal.active_source == signal.expected:
        return None
    return {
        "active_source": signal.active_source,
        "expected": signal.expected,
        "why": signal.why,
        "since": signal.since.timestamp(),
    }


def notice(state: Federation) -> str | None:
    """Return in one sentence what is wrong with the carbon signals, `None` if nothing is."""
    zones = sorted({client.zone for client in state.enrolled()})
    fallen = {zone: signal for zone in zones if (signal := fallback(state, zone))}
    unknown = [z for z in zones if z in state.grid and state.grid[z].latest is None]
    if zones and unknown == zones:
        why = next((f" ({fallen[z]['why'].rstrip('.')})" for z in unknown if z in fallen), "")
        return (
            f"Every carbon signal is down: no zone's intensity is known, so gates are unknown{why}."
        )
    parts = []
    if unknown:
        parts.append(f"the carbon intensity of {listed(unknown)} is unknown")
    standing_in = [z for z in fallen if z not in unknown]
    for name in sorted({fallen[z]["active_source"] or "no source" for z in standing_in}):
        where = [z for z in standing_in if (fallen[z]["active_source"] or "no source") == name]
        expected = fallen[where[0]]["expected"]
        parts.append(f"for {listed(where)}, {name} is used instead of {expected}")
    if not parts:
        return None
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def zones_seen(state: Federation, run: Run | None) -> list[dict[str, Any]]:
    """Return every zone with its clients and the readings of the run's time.

    A client that was retired counts where it worked for the run.
    """
    clients: dict[str, list[str]] = {}
    for client in state.clients.values():
        if client.retired and not (run and client.id in run.work):
            continue
        clients.setdefault(client.zone, []).append(client.id)
    grid = grid_of(state, run) if run else grid_now(state)
    return [
        {
            "zone": zone,
            "clients": names,
            "signal": fallback(state, zone),
            **asdict(grid.get(zone, GridSeries())),
        }
        for zone, names in sorted(clients.items())
    ]
