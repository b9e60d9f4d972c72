"""The hours to come, drawn: when each client's gate is expected to be open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import click

from common.errors import SignalError
from common.settings import Settings
from scheduler.carbon import federation_family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, slot_start
from scheduler.carbon.week import WEEK
from scheduler.federation import Federation
from scheduler.gate import Gate, GateRule, State
from scheduler.gate_sentence import explain
from scheduler.outlook import gates_ahead
from scheduler.situation import patience_allowed
from tasks.cli.base import print_json
from tasks.cli.signals import signal_at_hand

_MARKS: dict[State, tuple[str, str]] = {
    "open": ("█", "green"),
    "open_by_patience": ("▒", "yellow"),
    "closed": ("·", "bright_black"),
    "unknown": ("?", "red"),
}

_EVERY_H = 6
"""Hours between two times in the scale."""


def show_horizon(ours: Settings, state: Federation, hours: int, *, as_json: bool) -> None:
    """Print when gates are expected to be open in the next hours, under the forecast."""
    now = ours.clock.now()
    signal = signal_at_hand(ours)
    rule = GateRule.of(ours, federation_family(ours))
    allowed = patience_allowed(state)
    ahead = {
        client.id: gates_ahead(
            client, _readings(signal, client.zone, now, hours), rule=rule, now=now, hours=hours,
            patience_allowed=allowed,
        )
        for client in state.clients.values()
        if not client.retired
    }  # fmt: skip
    if as_json:
        print_json(
            {
                client: [
                    {"start": start.isoformat(), "state": gate.state, "why": explain(gate)}
                    for start, gate in zip(_starts(now, hours), gates, strict=True)
                ]
                for client, gates in ahead.items()
            }
        )
        return
    for line in _drawn(ahead, now, hours):
        click.echo(line)


def _readings(signal: Signal, zone: str, now: datetime, hours: int) -> Sequence[Reading]:
    try:
        return signal.readings(zone, now - WEEK, slot_start(now) + hours * HOUR)
    except SignalError:
        return ()


def _starts(now: datetime, hours: int) -> list[datetime]:
    return [slot_start(now) + n * HOUR for n in range(hours)]


def _drawn(ahead: dict[str, list[Gate]], now: datetime, hours: int) -> list[str]:
    width = max((len(client) for client in ahead), default=0) + 2
    starts = _starts(now, hours)
    scale = "".join(
        f"{start:%H:%M}".ljust(_EVERY_H) for start in starts[::_EVERY_H]
    )[:hours]  # fmt: skip
    lines = [
        click.style(f"{f'{starts[0]:%a}':<{width}}{scale:<{hours}}  UTC, an hour a mark", bold=True)
    ]
    for client, gates in ahead.items():
        strip = "".join(click.style(*_mark(gate)) for gate in gates)
        lines.append(f"{client:<{width}}{strip}  {_told(starts, gates)}")
    marks = ", ".join(f"{mark} {state.replace('_', ' ')}" for state, (mark, _) in _MARKS.items())
    lines.append(f"{marks}; as forecast now")
    return lines


def _mark(gate: Gate) -> tuple[str, str]:
    return _MARKS[gate.state]


def _told(starts: Sequence[datetime], gates: Sequence[Gate]) -> str:
    """Return when the gate next changes to open, or away from it."""
    pieces = [
        (is_open, [start for start, _ in group])
        for is_open, group in groupby(
            zip(starts, gates, strict=True), key=lambda pair: pair[1].is_open
        )
    ]
    (first, span), *rest = pieces
    until = f"{span[-1] + timedelta(hours=1):%a %H:%M}"
    if not rest:
        return "open throughout" if first else "never open"
    return f"open until {until}" if first else f"opens {until}"
