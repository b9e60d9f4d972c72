"""Gates: everybody's, judged at once. Each is made a `Gate` when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import product
from typing import get_args

import numpy as np

from scheduler.carbon.grid import ZoneNow
from scheduler.carbon.reading import refuse_naive
from scheduler.gate.gate import (
    Gate,
    GateRule,
    dwells,
    judge_grid,
    numbers_of,
    settle,
    spans,
)
from scheduler.ledger.events.gate import Code, State
from scheduler.selection.client_table import ClientTable, Ints

STATES: tuple[State, ...] = get_args(State)
CODES: tuple[Code, ...] = get_args(Code)

NOT_JUDGED = len(STATES)
"""Stands for the state of a client without a gate."""

_STATE: Mapping[State | None, int] = {s: n for n, s in enumerate(STATES)} | {None: NOT_JUDGED}
_CODE: Mapping[Code, int] = {code: n for n, code in enumerate(CODES)}


class Gates(Mapping[str, Gate]):
    """Clients' gates at one instant, by client.

    Attributes:
        fleet: The clients.
        zones: What holds in each of the fleet's zones.
        states, reasons: Of each, its gate's as a place in `STATES` and `CODES`.
    """

    def __init__(
        self,
        fleet: ClientTable,
        zones: Sequence[ZoneNow],
        rule: GateRule,
        now: datetime,
        *,
        patience_allowed: bool,
    ) -> None:
        """Judge as `gate.judge` does, one client after the other.

        Args:
            fleet: The clients.
            zones: What holds at `now` in each of the fleet's zones.
            rule: When gates open and close.
            now: The time on the grid clock, aware.
            patience_allowed: Whether the gram budget allows an exception.

        Raises:
            SignalError: If `now` is naive.
        """
        refuse_naive(now)
        self.fleet, self.zones, self._rule, self._now = fleet, zones, rule, now
        self._before = [client.gate for client in fleet]
        self._waited = fleet.waited(now)
        facts = (
            _ints([_CODE[judge_grid(z.reading, z.week, rule, now)] for z in zones])[fleet.zone],
            _ints([_STATE[gate.state if gate else None] for gate in self._before]),
            _ints([dwells(gate, rule, now) for gate in self._before]),
            _ints([waited >= rule.patience for waited in self._waited]),
        )
        law = _law(patience_allowed, rule.unknown_may_train)
        self.states, self.reasons = law[:, *facts]

    def at(self, place: int) -> Gate:
        """Return the gate of the client at a place of the fleet."""
        state, code = STATES[self.states[place]], CODES[self.reasons[place]]
        zone = self.zones[self.fleet.zone[place]]
        since = self.since(place)
        numbers = numbers_of(code, zone.reading, zone.week, self._rule)
        own = spans(code, self._rule, self._now - since, self._waited[place])
        return Gate(state, since, code, numbers | own)

    def since(self, place: int) -> datetime:
        """Return since when the gate of the client at a place is as it is."""
        before = self._before[place]
        kept = before is not None and before.state == STATES[self.states[place]]
        return before.since if before is not None and kept else self._now

    def news(self) -> list[int]:
        """Return the places of the gates that are not as they were: another state or reason."""
        reasons = _ints([_CODE[gate.reason] if gate else -1 for gate in self._before])
        states = _ints([_STATE[gate.state if gate else None] for gate in self._before])
        return np.flatnonzero((reasons != self.reasons) | (states != self.states)).tolist()

    def kinds(self) -> tuple[list[int], list[int]]:
        """Return the first place of each gate that differs by more than its times, and by place.

        Returns:
            Places of one client each; and of every client, which of those has a gate like its.
        """
        key = (self.fleet.zone * len(STATES) + self.states) * len(CODES) + self.reasons
        _, firsts, like = np.unique(key, return_index=True, return_inverse=True)
        return firsts.tolist(), like.tolist()

    def __getitem__(self, client: str) -> Gate:
        """Return a client's gate."""
        return self.at(self.fleet.places[client])

    def __iter__(self) -> Iterator[str]:
        """Yield the clients."""
        return iter(self.fleet.ids)

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self.fleet)


def states_of(gates: Mapping[str, Gate], fleet: ClientTable) -> Ints:
    """Return the state of each client's gate as a place in `STATES`, or `NOT_JUDGED`."""
    if isinstance(gates, Gates) and gates.fleet is fleet:
        states: Ints = gates.states
        return states
    made = [gates.get(client) for client in fleet.ids]
    return _ints([_STATE[gate.state if gate else None] for gate in made])


@cache
def _law(patience_allowed: bool, unknown_may_train: bool) -> Ints:  # noqa: FBT001 - a cache's key
    """Return `gate.settle` of all facts: state and reason, by grid, state before, dwells, spent."""
    before: list[State | None] = [*STATES, None]
    table = np.empty((2, len(CODES), len(before), 2, 2), dtype=np.int64)
    for grid, was, dwelling, spent in product(CODES, before, (False, True), (False, True)):
        state, code = settle(
            grid, was, dwells=dwelling, spent=spent, patience_allowed=patience_allowed,
            unknown_may_train=unknown_may_train,
        )  # fmt: skip
        table[:, _CODE[grid], _STATE[was], int(dwelling), int(spent)] = _STATE[state], _CODE[code]
    return table


def _ints(figures: Sequence[int]) -> Ints:
    return np.array(figures, dtype=np.int64)
