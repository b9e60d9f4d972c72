"""The line of each event that somebody who watches a federation wants to see, as `up` prints it."""

from __future__ import annotations

from typing import Any

from scheduler.federation.federation import Federation
from scheduler.ledger.event import Event
from scheduler.status.explain import explain_run
from tasks.cli.event_text import TEXTS

_WITHOUT = frozenset(
    {
        "run.opened", "grid.read", "grid.caught_up", "grid.settled", "round.committed",
        "assignment.evaluated", "update.accepted", "update.restored", "update.late",
        "update.duplicate", "update.conflicting",
    }
)  # fmt: skip
"""Kinds that have no line: what they say shows in the round's own lines, or is of no interest."""

_EXPLAINED = frozenset({"run.waiting", "run.paused", "run.ended"})
"""Kinds after which a run does something else: the explanation of it says what and why."""


class EventLines:
    """Makes lines of events, in their order. A gate has a line when its state changes."""

    def __init__(self) -> None:
        self._gates: dict[str, str] = {}

    def line(self, event: Event, state: Federation) -> str | None:
        """Return the line of an event, or `None` if it has none.

        Args:
            event: What happened.
            state: The federation after that event, or later.
        """
        if event.kind in _WITHOUT or (event.kind == "gate.changed" and not self._is_news(event)):
            return None
        text = _explained(event, state) if event.kind in _EXPLAINED else _text(event, state)
        return f"{event.at:%a %H:%M:%S}  {_subject(event):<12}  {text}"

    def _is_news(self, event: Event) -> bool:
        payload: Any = event.payload
        state: str = payload.state
        before = self._gates.get(event.client)
        self._gates[event.client] = state
        return before != state


def _subject(event: Event) -> str:
    """Return what an event is about: a client, else a run, else the federation."""
    return event.client or event.run or "federation"


def _text(event: Event, state: Federation) -> str:
    text = TEXTS[event.kind](event.payload)
    if not event.round:
        return text
    rounds = state.runs[event.run].spec.rounds
    return f"round {event.round}{f'/{rounds}' if rounds else ''} {text}"


def _explained(event: Event, state: Federation) -> str:
    run = state.runs[event.run]
    return explain_run(state, run, now=event.grid_at, wall_now=event.at).sentence.removeprefix(
        f"{run.id} "
    )
