"""The clients, one row each, as a page or a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.clock_difference import show_difference
from scheduler.federation.applied_weight import shares
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.gate.sentence import explain
from scheduler.status.blocker import Blocker
from scheduler.status.zones import fallback, reading_now


def client_rows(
    state: Federation, run: Run | None, blockers: Mapping[str, Blocker], *, now: datetime
) -> list[dict[str, Any]]:
    """Return a row for every client that is not retired.

    Args:
        state: The federation.
        run: The run that is shown; its open round decides what a client does.
        blockers: What keeps clients from training for it, as `find_blockers` returns them.
        now: The time on the grid clock, aware.
    """
    parts = shares(run) if run is not None and run.spec.is_async else None
    return [
        {
            **_row(client, run, state, blocker=blockers.get(client.id), now=now),
            **_work(client, run),
            "share": parts.get(client.id, 0.0) if parts else None,
        }
        for client in state.enrolled()
    ]


def _row(
    client: Client, run: Run | None, state: Federation, *, blocker: Blocker | None, now: datetime
) -> dict[str, Any]:
    reading = reading_now(state, client.zone)
    return {
        "client": client.id,
        "zone": client.zone,
        "intensity": reading["gco2eq_per_kwh"] if reading else None,
        "reading": reading,
        "signal": fallback(state, client.zone),
        "gate": client.gate.state if client.gate else "unknown",
        "state": _state(client, run, blocker, now),
        "blocker": blocker.code if blocker else None,
        "why": _why(client, blocker),
        "kit": _kit(client),
        "energy_wh": client.energy_wh,
        "gco2eq": client.gco2eq,
        "clock_ahead_s": client.clock_ahead_s,
        "latency_s": client.latency_s,
        "expected_wh": client.energy_per_update_wh,
        "idle_w": client.idle_w,
    }


def _kit(client: Client) -> str | None:
    """Return whether a client's site has joined with its newest kit; `None` if it has none."""
    if client.kit_key is None:
        return None
    return "joined" if client.kit_used else "not joined"


def _work(client: Client, run: Run | None) -> dict[str, Any]:
    """Return what a client did for the run; ``energy_wh`` and ``gco2eq`` are of all runs.

    ``site_value`` is the run's metric of the newest version that it evaluated; without it where it
    evaluated none.
    """
    sums = run.work.get(client.id) if run else None
    found = run.site_scores.get(client.id) if run else None
    return {
        "rounds": run.closed.sums.rounds.get(client.id, 0) if run else 0,
        "run_energy_wh": sums.energy_wh if sums else 0.0,
        "run_gco2eq": sums.gco2eq if sums else 0.0,
        **({"site_version": found.version, "site_value": found.value} if found else {}),
    }


def _state(client: Client, run: Run | None, blocker: Blocker | None, now: datetime) -> str:
    if not client.alive:
        return "silent" if client.incarnation else "never seen"
    round_ = run.open_round if run else None
    part = round_.cohort.get(client.id) if round_ else None
    if part is not None and part.status == "open":
        return "training"
    if client.paused:
        return "paused"
    # What became of an invitation is shown as long as it matters: a decline, for its hour.
    passing = part is not None and part.status in ("declined", "given_up", "undelivered")
    if part is not None and not (passing and now > part.valid_until):
        return part.status.replace("_", " ")
    if blocker is not None and blocker.code == "busy":
        return "training"
    return "idle" if client.gate and client.gate.is_open else "waiting"


def _why(client: Client, blocker: Blocker | None) -> str:
    """Return why a client does what it does: its blocker, or what its gate rests on."""
    if blocker is not None and blocker.code != "in_round":
        why = blocker.sentence
    else:
        why = explain(client.gate) if client.gate else "its gate has not been judged yet"
    if client.clock_ahead_s:
        why = f"{why}; its clock is {show_difference(client.clock_ahead_s)}"
    return why
