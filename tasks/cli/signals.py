"""Commands about the grids: what each says now, what is expected of it, and who may be asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from common import settings as settings_
from common.errors import FairwindError, SettingError
from common.settings import Settings
from common.units import show_duration, show_intensity
from scheduler.carbon import chain, is_live, make_signal
from scheduler.carbon.http.limits import AccountStatus
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, reading_at, slot_start, unknown_zone
from tasks.cli.base import as_json, ledger_at_hand, print_json, print_table
from tasks.coordinator.sources import Sources, known_zones
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.messaging.broker import check_reachable, connect

_BAR = 40
"""Characters of the longest bar."""


@click.command()
@as_json
def signal(*, as_json: bool) -> None:
    """Show which source speaks for each zone now, and what each key has left."""
    ours = settings_.load()
    known = signal_at_hand(ours)
    zones = sorted({c.zone for c in ledger_at_hand().state().clients.values() if not c.retired})
    seen = [_zone(ours, known, zone) for zone in zones]
    accounts = [_account(s) for s in Sources(ours).account_statuses()] if is_live(ours) else []
    if as_json:
        print_json({"zones": seen, "accounts": accounts})
        return
    print_table(
        ["zone", "now", "quality", "speaks", "expected", "why"],
        [
            [
                row["zone"], show_intensity(row["gco2eq_per_kwh"]), row["quality"] or "unknown",
                row["speaks"] or "nobody", row["expected"], row["why"],
            ]
            for row in seen
        ],
    )  # fmt: skip
    if accounts:
        click.echo()
        print_table(
            ["source", "this hour", "state", "last fault"],
            [
                [a["source"], f"{a['used']} of {a['per_hour']}", a["state"], a["last_fault"] or ""]
                for a in accounts
            ],
        )


@click.command()
@click.argument("zone")
@click.option("--hours", type=click.IntRange(1, 96), default=24, show_default=True)
@as_json
def forecast(zone: str, *, hours: int, as_json: bool) -> None:
    """Show what is expected of a zone's grid in the next hours."""
    ours = settings_.load()
    now = ours.clock.now()
    readings = signal_at_hand(ours).readings(zone, now, slot_start(now) + hours * HOUR)
    if as_json:
        print_json([reading.to_dict() for reading in readings])
        return
    for line in _drawn(readings, now):
        click.echo(line)


@click.command()
@as_json
def zones(*, as_json: bool) -> None:
    """List the zones that the configured sources know."""
    names = known_zones(settings_.load())
    if as_json:
        print_json(names)
    else:
        click.echo("\n".join(names))


def signal_at_hand(ours: Settings) -> Signal:
    """Return what this machine can know of the grids: the almanacs in Redis, or a local signal."""
    if not is_live(ours):
        return make_signal(ours)
    broker = connect(ours)
    check_reachable(broker)
    return ZoneHistories(broker)


def check_zone(ours: Settings, zone: str) -> str | None:
    """Refuse a zone that no source knows.

    Returns:
        Why it could not be checked, if a live source did not say; else `None`.

    Raises:
        SignalError: If the zone is unknown.
    """
    try:
        known = known_zones(ours)
    except SettingError:
        raise
    except FairwindError as error:
        return str(error)
    if zone not in known:
        raise unknown_zone(" or ".join(chain(ours, zone)), zone, known)
    return None


def _zone(ours: Settings, known: Signal, zone: str) -> dict[str, Any]:
    expected = chain(ours, zone)[0]
    try:
        reading: Reading | None = reading_at(known, zone, ours.clock.now())
        why = ""
    except FairwindError as error:
        reading, why = None, str(error)
    if isinstance(known, ZoneHistories) and reading and reading.source != expected:
        why = known.zone(zone).faults.get(expected, "")
    return {
        "zone": zone,
        "expected": expected,
        "speaks": reading.source if reading else None,
        "why": why,
        "gco2eq_per_kwh": reading.gco2eq_per_kwh if reading else None,
        "quality": reading.quality if reading else None,
        "reading": reading.to_dict() if reading else None,
    }


def _account(standing: AccountStatus) -> dict[str, Any]:
    state = {"open": "left alone", "half open": "being probed", "closed": "in order"}
    until = standing.paused_until or standing.open_until
    text = "paused" if standing.paused_until else state[standing.breaker]
    return {
        "source": standing.account.provider,
        "account": str(standing.account),
        "used": standing.used,
        "per_hour": standing.account.per_hour,
        "state": f"{text} until {until:%H:%M:%S} UTC" if until else text,
        "last_fault": standing.last_fault,
        "last_fault_at": standing.last_fault_at,
        "last_success_at": standing.last_success_at,
    }


def _drawn(readings: Iterable[Reading], now: datetime) -> list[str]:
    shown = list(readings)
    top = max(r.high_gco2eq_per_kwh or r.gco2eq_per_kwh for r in shown) or 1.0
    lines = [f"{'UTC':<17}{'gCO2eq/kWh':>11}  {'80 % within':<13}"]
    for r in shown:
        low, high = r.low_gco2eq_per_kwh, r.high_gco2eq_per_kwh
        within = "" if low is None or high is None else f"{low:.0f} to {high:.0f}"
        bar = "█" * max(1, round(_BAR * r.gco2eq_per_kwh / top))
        lines.append(f"{r.start:%a %d %b %H:%M}  {r.gco2eq_per_kwh:>11.0f}  {within:<13}{bar}")
    last = shown[-1]
    how = f", {last.method}" if last.method else ""
    issued = ""
    if last.issued_at:
        issued = f", issued {show_duration((now - last.issued_at).total_seconds())} ago"
    lines.append(f"{last.source}: {last.quality}{how}{issued}; {last.family}.")
    return lines
