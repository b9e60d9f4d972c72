"""The next hours as a chart: when rounds are expected, and when each gate is expected open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from common.command_line.output import print_json
from common.command_line.screen import Styled, echo
from common.errors import SignalError
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, slot_start
from scheduler.carbon.week import WEEK
from scheduler.federation.federation import Federation, Run
from scheduler.gate.gate import Gate
from scheduler.gate.sentence import explain
from scheduler.ledger.events.gate import State
from scheduler.rounds.forecast import ExpectedRound, describe, forecast_rounds
from scheduler.rounds.waiting_cost import ReservedPower, expected_balance
from scheduler.rounds.world import Rules
from scheduler.selection.situation import patience_allowed
from scheduler.status.outlook import gates_ahead
from tasks.cli.expected_rounds import print_expected_rounds, rounds_in
from tasks.cli.grids import open_signal
from tasks.cli.waiting_cost import waiting_json, waiting_sentences

_MARKS: dict[State, tuple[str, str]] = {
    "open": ("█", "green"),
    "open_by_patience": ("▒", "yellow"),
    "closed": ("·", "bright_black"),
    "unknown": ("?", "red"),
}

_Line = list[str | Styled]
"""A line of the chart, in parts of different colours."""

_EVERY_H = 6
"""HoursOption between two times in the scale."""

_ROUNDS = "rounds"
_MOST_COUNTED = 9


def show_horizon(
    ours: Settings, state: Federation, hours: int, *, run: Run | None, as_json: bool
) -> None:
    """Print which rounds of a run are expected, and when gates are expected to be open."""
    now = ours.clock.now()
    signal = open_signal(ours)
    rules = Rules.of(ours)
    allowed = patience_allowed(state)
    ahead = {
        client.id: gates_ahead(
            client, _readings(signal, client.zone, now, hours), rule=rules.gate, now=now,
            hours=hours, patience_allowed=allowed,
        )
        for client in state.enrolled()
    }  # fmt: skip
    planned = run and forecast_rounds(
        state, run, Grid(signal, rules.gate.family), rules, now, hours=hours, grid_clock=ours.clock
    )
    grid = Grid(signal, rules.gate.family)
    reserved = ReservedPower.of(state.enrolled())
    balance = expected_balance(planned or (), reserved, grid, now)
    if as_json:
        gates = {client: _gate_rows(now, gates) for client, gates in ahead.items()}
        rounds = [describe(each, run) for each in planned or () if run]
        waiting = waiting_json(reserved, balance, grid, now)
        print_json(
            {"run": run.id if run else None, "rounds": rounds, "gates": gates,
             "waiting_costs": waiting}
        )  # fmt: skip
        return
    for line in _chart(ahead, planned or (), now, hours):
        echo(*line)
    if run:
        print_expected_rounds(planned or (), run)
    for sentence in waiting_sentences(reserved, balance, grid, now, ahead=True):
        echo(sentence)


def _gate_rows(now: datetime, gates: Sequence[Gate]) -> list[dict[str, str]]:
    starts = _starts(now, len(gates))
    return [
        {"start": start.isoformat(), "state": gate.state, "why": explain(gate)}
        for start, gate in zip(starts, gates, strict=True)
    ]


def _readings(signal: Signal, zone: str, now: datetime, hours: int) -> Sequence[Reading]:
    try:
        return signal.readings(zone, now - WEEK, slot_start(now) + hours * HOUR)
    except SignalError:
        return ()


def _starts(now: datetime, hours: int) -> list[datetime]:
    return [slot_start(now) + n * HOUR for n in range(hours)]


def _chart(
    ahead: dict[str, list[Gate]], planned: Sequence[ExpectedRound], now: datetime, hours: int
) -> list[_Line]:
    names = [*ahead, _ROUNDS] if planned else [*ahead]
    width = max(map(len, names), default=0) + 2
    starts = _starts(now, hours)
    scale = "".join(
        f"{start:%H:%M}".ljust(_EVERY_H) for start in starts[::_EVERY_H]
    )[:hours]  # fmt: skip
    head = f"{f'{starts[0]:%a}':<{width}}{scale:<{hours}}  UTC, an hour a mark"
    lines: list[_Line] = [[Styled(head, bold=True)]]
    if planned:
        counts = [rounds_in(planned, start) for start in starts]
        strip = [Styled(_count(n), fg="cyan", bold=True) for n in counts]
        lines.append([f"{_ROUNDS:<{width}}", *strip, f"  {sum(counts)} expected"])
    for client, gates in ahead.items():
        strip = [Styled(*_mark(gate)) for gate in gates]
        lines.append([f"{client:<{width}}", *strip, f"  {_next_change(starts, gates)}"])
    marks = ", ".join(f"{mark} {state.replace('_', ' ')}" for state, (mark, _) in _MARKS.items())
    lines.append([f"{marks}; as forecast now"])
    return lines


def _count(rounds: int) -> str:
    """Return the mark of an hour in which so many rounds begin."""
    if rounds == 0:
        return " "
    return "●" if rounds == 1 else str(rounds) if rounds <= _MOST_COUNTED else "+"


def _mark(gate: Gate) -> tuple[str, str]:
    return _MARKS[gate.state]


def _next_change(starts: Sequence[datetime], gates: Sequence[Gate]) -> str:
    """Return when the gate next opens, or until when it is open."""
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
