"""One line for each event of the ledger that somebody who watches a federation wants to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.units import show_energy, show_mass
from scheduler.federation.federation import Federation
from scheduler.gate.sentence import explain
from scheduler.ledger.event import Event
from scheduler.status.explain import explain_run
from tasks.cli.figures import show_value

_MANY = 6
"""So many clients of a round are named."""


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
        if event.kind == "gate.changed" and not self._is_news(event):
            return None
        text_of = _TEXTS.get(event.kind)
        text = text_of(_Seen(event.payload, event, state)) if text_of else None
        return f"{event.at:%a %H:%M:%S}  {subject(event):<12}  {text}" if text else None

    def _is_news(self, event: Event) -> bool:
        said: Any = event.payload
        state: str = said.state
        before = self._gates.get(event.client)
        self._gates[event.client] = state
        return before != state


def subject(event: Event) -> str:
    """Return what an event is about: a client, else a run, else the federation."""
    return event.client or event.run or "federation"


@dataclass(frozen=True)
class _Seen:
    """An event, its payload and the state after it."""

    said: Any
    event: Event
    state: Federation

    @property
    def of(self) -> str:
        """Number of the round, and of how many."""
        rounds = self.state.runs[self.event.run].spec.rounds
        return f"round {self.event.round}/{rounds}" if rounds else f"round {self.event.round}"


def _gate(seen: _Seen) -> str:
    gate = seen.state.clients[seen.event.client].gate
    return f"gate {explain(gate)}" if gate else "gate unknown"


def _explained(seen: _Seen) -> str:
    run = seen.state.runs[seen.event.run]
    explanation = explain_run(seen.state, run, now=seen.event.grid_at)
    return explanation.sentence.removeprefix(f"{run.id} ")


def _started(seen: _Seen) -> str:
    spec = seen.said.spec
    budget = f"{spec.rounds} rounds" if spec.rounds else "until its budget is spent"
    return f"run started: {spec.workload}, {budget}, policy {spec.policy}"


def _planned(seen: _Seen) -> str:
    names = sorted(seen.said.cohort)
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    doing = "scored at" if seen.said.evaluates else "planned:"
    return f"{seen.of} {doing} {', '.join(names[:_MANY])}{more}"


def _evaluated(seen: _Seen) -> str:
    metric = seen.state.runs[seen.event.run].spec.metric
    return f"{seen.of} scored: {metric} {show_value(metric, seen.said.metrics.get(metric))}"


def _closed(seen: _Seen) -> str:
    return f"{seen.of} closed: {show_energy(seen.said.energy_wh)}, {show_mass(seen.said.gco2eq)}"


def _refused(seen: _Seen) -> str:
    return f"its update for {seen.of} was refused: {seen.said.refusal.text}"


def _answered(did: str) -> Callable[[_Seen], str]:
    def text(seen: _Seen) -> str:
        reason = seen.said.work.reason
        return f"{did} its assignment for {seen.of}: {reason.text if reason else 'no reason given'}"

    return text


_TEXTS: Mapping[str, Callable[[_Seen], str]] = {
    "client.enrolled": lambda seen: f"enrolled in {seen.said.zone}",
    "client.retired": lambda _: "retired",
    "client.joined": lambda _: "ready",
    "client.paused": lambda _: "paused by its administrator",
    "client.resumed": lambda _: "resumed by its administrator",
    "client.silent": lambda _: "silent: its worker sends no heartbeats",
    "gate.changed": _gate,
    "signal.fell_back": lambda seen: (
        f"{seen.said.zone}: carbon source {seen.said.active_source or 'none'} instead of "
        f"{seen.said.expected}: {seen.said.why}"
    ),
    "signal.recovered": lambda seen: f"{seen.said.zone}: carbon source {seen.said.active_source}",
    "run.started": _started,
    "run.waiting": _explained,
    "run.blocked": lambda seen: f"blocked: {seen.said.text}",
    "run.unblocked": lambda _: "goes on",
    "run.stop_requested": lambda _: "is to stop",
    "run.paused": _explained,
    "run.resumed": lambda _: "goes on",
    "run.ended": _explained,
    "round.planned": _planned,
    "round.closed": _closed,
    "round.evaluated": _evaluated,
    "assignment.declined": _answered("declined"),
    "assignment.failed": _answered("failed"),
    "assignment.given_up": lambda seen: f"no answer for {seen.of}: {seen.said.reason.text}",
    "assignment.reissued": lambda seen: (
        f"assignment for {seen.of} issued again: {seen.said.code.replace('_', ' ')}"
    ),
    "update.refused": _refused,
}
