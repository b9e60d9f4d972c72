"""Gathering what advice is made from: the ledger's state, its plans, and the grid."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.errors import FederationError, SignalError
from scheduler.accounting.booking import Booking
from scheduler.advice.chance import PlannedRound
from scheduler.advice.practice import LOOKBACK
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.carbon.week import DAY
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.federation.left_out import LeftOut, left_out
from scheduler.gate.gate import GateRule
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Event
from scheduler.ledger.events import RoundPlanned
from scheduler.selection.verdict_blob import read_verdicts

SEEN_ROUNDS = 100
"""So many of the newest planned rounds are judged again."""


@dataclass(frozen=True, slots=True)
class RecentWork:
    """What a federation did in its last five weeks of work, as far as advice needs it.

    Attributes:
        now: On the grid clock.
        until: When the last round ended; now while one is open.
        bookings: All work that ended in the five weeks before, or since.
        rounds: The planned rounds, without those that only invited more clients.
    """

    now: datetime
    until: datetime
    bookings: tuple[Booking, ...]
    rounds: tuple[PlannedRound, ...]

    @classmethod
    def of(
        cls, state: Federation, planned: Iterable[Event], blobs: Blobs, now: datetime
    ) -> RecentWork:
        """Take in a ledger's state and its newest ``round.planned`` events, in order.

        A round whose verdicts are unknown, because their blob is gone, is left out.
        """
        until = _worked_until(state, now)
        firsts: dict[tuple[str, int], Event] = {}
        for event in planned:
            firsts.setdefault((event.run, event.round), event)
        return cls(
            now,
            until,
            tuple(state.book.ended_after(until - LOOKBACK)),
            tuple(
                PlannedRound.planned(state.runs[event.run], event.grid_at, verdicts)
                for event in firsts.values()
                if isinstance(event.payload, RoundPlanned)
                and (verdicts := read_verdicts(blobs, event.payload.verdicts))
            ),
        )


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that one client's advice is made from.

    Attributes:
        client: Whose advice.
        record: What the federation did.
        past: Readings of its grid in the last five weeks, in order; gaps are left out. Where
            nothing is known of them, those of the last five weeks that the ledger knows.
        ahead: Forecast of its grid for the next 24 hours; empty if there is none.
        rule: When gates open.
        left_out: The runs under way whose robust rule leaves its updates out again and again.
    """

    client: Client
    record: RecentWork
    past: tuple[Reading, ...]
    ahead: tuple[Reading, ...]
    rule: GateRule
    left_out: tuple[LeftOut, ...] = ()


def gather(
    state: Federation, record: RecentWork, grid: Grid, rule: GateRule, client_id: str
) -> Case:
    """Return the case of one client.

    Raises:
        FederationError: If no such client is enrolled; the nearest name is offered.
    """
    enrolled = {client.id: client for client in state.enrolled()}
    if client_id not in enrolled:
        raise FederationError(_unknown(client_id, sorted(enrolled)))
    client, now = enrolled[client_id], record.now
    recorded = state.grid[client.zone].readings() if client.zone in state.grid else []
    past = [
        r for r in _known(grid, client.zone, now - LOOKBACK, now) or recorded
        if r.family == grid.family
    ]  # fmt: skip
    ahead: list[Reading] = []
    with suppress(SignalError):
        ahead = list(grid.signal.readings(client.zone, now, now + DAY))
    comparable = [r for r in ahead if r.family == grid.family]
    below = tuple(
        each for run in state.active_runs() for each in left_out(run) if each.client == client_id
    )
    return Case(client, record, tuple(past), tuple(comparable), rule, below)


def _worked_until(state: Federation, now: datetime) -> datetime:
    if any(run.open_round for run in state.active_runs()):
        return now
    ends = [run.closed[-1].ended for run in state.runs.values() if run.closed]
    return min(now, max(ends, default=now))


def _known(grid: Grid, zone: str, start: datetime, end: datetime) -> list[Reading]:
    """Return the readings of an interval; where it has gaps, of the days in it without one."""
    with suppress(SignalError):
        return list(grid.signal.readings(zone, start, end))
    known: dict[datetime, Reading] = {}
    day = start
    while day < end:
        with suppress(SignalError):
            readings = grid.signal.readings(zone, day, min(day + timedelta(days=1), end))
            known.update({reading.start: reading for reading in readings})
        day += timedelta(days=1)
    return list(known.values())


def _unknown(client: str, enrolled: list[str]) -> str:
    near = difflib.get_close_matches(client, enrolled, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`fairwind clients` lists all that are."
    return f"No client {client!r} is enrolled, so there is no advice for it. {hint}"
