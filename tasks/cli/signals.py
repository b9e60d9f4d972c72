"""Commands about the grids: their sources, their intensities now and expected, their zones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from common import settings as settings_
from common.command_line.duration import Duration
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.command_line.table import print_table
from common.errors import FairwindError
from common.settings import Settings
from common.units import show_duration, show_intensity
from scheduler.carbon.http.limits import AccountStatus
from scheduler.carbon.local_signal import trace_coverage
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, reading_at, slot_start
from scheduler.carbon.sources import chain
from tasks.cli.base import ledger_to_read
from tasks.cli.grids import account_statuses, fault, known_zones, open_signal

_BAR = 40
"""Characters of the longest bar."""


@click.command()
@as_json
def signal(*, as_json: bool) -> None:
    """Show the active carbon source of each zone, and the quota left."""
    ours = settings_.load()
    known = open_signal(ours)
    zones = sorted({client.zone for client in ledger_to_read().state().enrolled()})
    seen = [_zone(ours, known, zone) for zone in zones]
    accounts = [_account(each) for each in account_statuses(ours)]
    trace = trace_coverage(ours)
    if as_json:
        read = [each._asdict() for each in trace]
        print_json({"zones": seen, "accounts": accounts, "trace": read})
        return
    print_table(
        ["zone", "now", "quality", "active source", "preferred", "why"],
        [
            [
                row["zone"], show_intensity(row["gco2eq_per_kwh"]), row["quality"] or "unknown",
                row["active_source"] or "none", row["expected"], row["why"],
            ]
            for row in seen
        ],
    )  # fmt: skip
    if accounts:
        echo()
        print_table(
            ["source", "used this hour", "state", "last fault"],
            [
                [
                    a["source"],
                    f"{a['used']} of {a['per_hour']}",
                    a["state"],
                    a["last_fault"] or "",
                ]
                for a in accounts
            ],
        )

    if trace:
        echo()
        print_table(
            ["zone of the trace", "from", "to", "hours", "missing", "estimated"],
            [
                [
                    each.zone, f"{each.start:%Y-%m-%d %H:%M}", f"{each.end:%Y-%m-%d %H:%M}",
                    f"{each.hours:,}", f"{each.missing:,}", f"{each.estimated:,}",
                ]
                for each in trace
            ],
        )  # fmt: skip


@click.command()
@click.argument("zone")
@click.option(
    "--hours", type=Duration("h", least=1, most=96), default="24h", show_default=True,
    help="How far ahead, e.g. 48h or 2d.",
)  # fmt: skip
@as_json
def forecast(zone: str, *, hours: float, as_json: bool) -> None:
    """Show the expected carbon intensity of a zone in the next hours."""
    ours = settings_.load()
    now = ours.clock.now()
    readings = open_signal(ours).readings(zone, now, slot_start(now) + hours * HOUR)
    if as_json:
        print_json([reading.to_dict() for reading in readings])
        return
    for line in _chart(readings, now):
        echo(line)


@click.command()
@as_json
def zones(*, as_json: bool) -> None:
    """List the zones of the configured sources."""
    names = known_zones(settings_.load())
    if as_json:
        print_json(names)
    else:
        for name in names:
            echo(name)


def _zone(ours: Settings, known: Signal, zone: str) -> dict[str, Any]:
    preferred = chain(ours, zone)[0]
    try:
        reading: Reading | None = reading_at(known, zone, ours.clock.now())
        why = ""
    except FairwindError as error:
        reading, why = None, str(error)
    if reading and reading.source != preferred:
        why = fault(ours, known, zone, preferred)
    return {
        "zone": zone,
        "expected": preferred,
        "active_source": reading.source if reading else None,
        "why": why,
        "gco2eq_per_kwh": reading.gco2eq_per_kwh if reading else None,
        "quality": reading.quality if reading else None,
        "reading": reading.to_dict() if reading else None,
    }


def _account(status: AccountStatus) -> dict[str, Any]:
    state = {"open": "circuit open", "half open": "circuit half open", "closed": "ok"}
    until = status.paused_until or status.open_until
    text = "paused" if status.paused_until else state[status.breaker]
    return {
        "source": status.account.provider,
        "account": str(status.account),
        "used": status.used,
        "per_hour": status.account.per_hour,
        "state": f"{text} until {until:%H:%M:%S} UTC" if until else text,
        "last_fault": status.last_fault,
        "last_fault_at": status.last_fault_at,
        "last_success_at": status.last_success_at,
    }


def _chart(readings: Iterable[Reading], now: datetime) -> list[str]:
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
