"""The federation as the ledger tells it: clients, runs and rounds, folded event by event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduler.client import Client
from scheduler.event import GENESIS, Event
from scheduler.gate import Gate
from scheduler.round import Accepted, AssignmentState, ClosedRound, Round
from scheduler.run import RunSpec


@dataclass(slots=True)
class Run:
    """A run in progress or ended.

    `version` and `server_state` are SHA-256 names of blobs; `version` is `None` until the
    coordinator has made the first one. `scored_here` says that the coordinator has test data.
    `due_at` is when the next round is due, `baseline_at` when the same work would have been there
    without waiting for clean power; both on the grid clock. `booked` names work whose energy is
    booked: round, client and when it began.
    """

    spec: RunSpec
    started_at: datetime
    grid_started_at: datetime
    version: str | None = None
    server_state: str | None = None
    num_params: int = 0
    scored_here: bool = True
    closed: list[ClosedRound] = field(default_factory=list)
    open_round: Round | None = None
    due_at: datetime | None = None
    baseline_at: datetime | None = None
    best_version: str | None = None
    best_value: float | None = None
    uncounted_wh: float = 0.0
    uncounted_gco2eq: float = 0.0
    booked: set[tuple[int, str, str]] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)
    last_planned_seq: int = 0
    waiting: dict[str, Any] | None = None
    stop_requested: bool = False
    ended_at: datetime | None = None
    grid_ended_at: datetime | None = None
    end_reason: str | None = None

    @property
    def id(self) -> str:
        """The run's name."""
        return self.spec.id

    @property
    def complete(self) -> bool:
        """Whether all its rounds are closed; the last version may still want its score."""
        return self.spec.rounds is not None and len(self.closed) >= self.spec.rounds

    @property
    def counted_gco2eq(self) -> float:
        """Emissions of the updates in the closed rounds, gCO2eq."""
        return sum(closed.gco2eq for closed in self.closed)

    @property
    def spent_gco2eq(self) -> float:
        """All known emissions: closed rounds, the open one, and work that did not count."""
        open_round = self.open_round
        now = sum(a.gco2eq or 0.0 for a in open_round.accepted.values()) if open_round else 0.0
        return self.counted_gco2eq + now + self.uncounted_gco2eq

    @property
    def status(self) -> str:
        """``starting``, ``waiting``, ``running`` or ``ended``."""
        if self.ended_at is not None:
            return "ended"
        if self.version is None:
            return "starting"
        return "running" if self.open_round is not None else "waiting"

    def unevaluated(self) -> list[ClosedRound]:
        """Return the closed rounds whose version has no score yet."""
        return [closed for closed in self.closed[-2:] if closed.metrics is None]


@dataclass(slots=True)
class Federation:
    """Everything the events so far say. Changed by `apply` alone."""

    seq: int = 0
    head: str = GENESIS
    clients: dict[str, Client] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    grid: list[Event] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """Fold one event in. Kinds this version does not know change nothing."""
        self.seq, self.head = event.seq, event.hash
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

    def active_runs(self) -> list[Run]:
        """Return the runs that are not over, the one that has waited longest for a plan first."""
        active = [run for run in self.runs.values() if run.ended_at is None]
        return sorted(active, key=lambda run: run.last_planned_seq)

    def open_assignments(self) -> list[AssignmentState]:
        """Return the open assignments of all runs; a client has one at most."""
        return [
            part
            for run in self.active_runs()
            if run.open_round is not None
            for part in run.open_round.open_assignments()
        ]

    def working_for(self, client: str) -> Run | None:
        """Return the run for which a client has an open assignment, if it has one."""
        for run in self.active_runs():
            part = run.open_round.cohort.get(client) if run.open_round else None
            if part is not None and part.status == "open":
                return run
        return None


def _client_enrolled(self: Federation, event: Event) -> None:
    body = event.body
    known = self.clients.get(event.client)
    client = known or Client(event.client, body["zone"], waiting_since=event.grid_at)
    client.zone, client.num_examples = body["zone"], body["num_examples"]
    client.retired = False
    self.clients[event.client] = client


def _client_retired(self: Federation, event: Event) -> None:
    self.clients[event.client].retired = True


def _client_joined(self: Federation, event: Event) -> None:
    client = self.clients[event.client]
    client.incarnation, client.host = event.body["incarnation"], event.body["host"]
    client.alive = True
    for run in self.runs.values():
        run.failures.pop(event.client, None)


def _client_silent(self: Federation, event: Event) -> None:
    self.clients[event.client].alive = False


def _gate_changed(self: Federation, event: Event) -> None:
    client = self.clients[event.client]
    was_open = client.gate is not None and client.gate.state == "open"
    client.gate = Gate.from_dict(event.body)
    if was_open and client.gate.state != "open":
        client.waiting_since = event.grid_at


def _grid_read(self: Federation, event: Event) -> None:
    self.grid.append(event)


def _run_started(self: Federation, event: Event) -> None:
    spec = RunSpec.model_validate(event.body["spec"])
    self.runs[event.run] = Run(
        spec, event.at, event.grid_at, last_planned_seq=event.seq,
        due_at=spec.due(event.grid_at), baseline_at=spec.due(event.grid_at),
    )  # fmt: skip


def _run_opened(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    run.version = event.body["version"]
    run.num_params = event.body["num_params"]
    run.scored_here = event.body["scored_here"]


def _run_waiting(self: Federation, event: Event) -> None:
    self.runs[event.run].waiting = event.body


def _run_stop_requested(self: Federation, event: Event) -> None:
    self.runs[event.run].stop_requested = True


def _run_ended(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    run.ended_at, run.grid_ended_at = event.at, event.grid_at
    run.end_reason = event.body["reason"]
    run.waiting = None
    if run.open_round is not None:
        # A round cut off makes no version: its work was spent, but does not count.
        for accepted in run.open_round.accepted.values():
            run.uncounted_wh += accepted.energy_wh or 0.0
            run.uncounted_gco2eq += accepted.gco2eq or 0.0
        run.open_round = None


def _round_planned(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    run.last_planned_seq, run.waiting = event.seq, None
    if run.open_round is None:
        run.open_round = Round.planned(event)
    run.open_round.invite(event, self.clients)


def _open_round(self: Federation, event: Event) -> Round | None:
    round_ = self.runs[event.run].open_round
    return round_ if round_ is not None and round_.number == event.round else None


def _assignment_reissued(self: Federation, event: Event) -> None:
    if round_ := _open_round(self, event):
        state = round_.cohort[event.client]
        state.status = "open"
        state.attempt, state.issued_at = event.body["attempt"], event.at
        state.incarnation = self.clients[event.client].incarnation


def _book(self: Federation, event: Event) -> None:
    """Book what work that did not count has used: once, and only where that is known."""
    run, body = self.runs.get(event.run), event.body
    if run is None or body.get("energy_wh") is None or not _first_time(run, event):
        return
    run.uncounted_wh += body["energy_wh"]
    run.uncounted_gco2eq += body["gco2eq"] or 0.0
    if client := self.clients.get(event.client):
        client.energy_wh += body["energy_wh"]
        client.gco2eq += body["gco2eq"] or 0.0


def _first_time(run: Run, event: Event) -> bool:
    """Return whether the work of this event is not booked yet: an outbox may answer twice."""
    work = (event.round, event.client, event.body["started_at"])
    if work in run.booked:
        return False
    run.booked.add(work)
    return True


def _settled(status: str) -> Callable[[Federation, Event], None]:
    def handler(self: Federation, event: Event) -> None:
        round_ = _open_round(self, event)
        state = round_.cohort.get(event.client) if round_ else None
        if state is not None and state.status == "open":
            state.status, state.reason = status, event.body.get("reason")
        if status in ("failed", "refused") or event.body.get("code") == "lost_too_often":
            failures = self.runs[event.run].failures
            failures[event.client] = failures.get(event.client, 0) + 1
        _book(self, event)

    return handler


def _update_accepted(self: Federation, event: Event) -> None:
    run, round_ = self.runs[event.run], _open_round(self, event)
    if round_ is None:
        return
    accepted, client = Accepted.from_body(event.body), self.clients[event.client]
    if not _first_time(run, event):
        # Booked as work that did not count, and it counts after all.
        run.uncounted_wh -= accepted.energy_wh or 0.0
        run.uncounted_gco2eq -= accepted.gco2eq or 0.0
        client.energy_wh -= accepted.energy_wh or 0.0
        client.gco2eq -= accepted.gco2eq or 0.0
    round_.accepted[event.client] = accepted
    round_.cohort[event.client].status = "accepted"
    run.failures.pop(event.client, None)
    client.learn(accepted, event.grid_at)


def _round_committed(self: Federation, event: Event) -> None:
    if round_ := _open_round(self, event):
        round_.manifest = event.body["manifest"]


def _round_closed(self: Federation, event: Event) -> None:
    run, round_ = self.runs[event.run], _open_round(self, event)
    if round_ is None:
        return
    closed = ClosedRound.from_event(event, round_)
    run.closed.append(closed)
    run.version, run.server_state = closed.version, event.body["server_state"]
    run.baseline_at = run.spec.due(closed.baseline_ended)
    run.due_at = run.spec.due(run.due_at) if run.due_at and run.spec.cron else event.grid_at
    run.open_round = None


def _round_evaluated(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    for closed in run.closed:
        if closed.number == event.round:
            closed.metrics = event.body["metrics"]
            value = closed.metrics.get(run.spec.metric)
            if value is not None and run.spec.better(value, run.best_value):
                run.best_version, run.best_value = closed.version, value


_HANDLERS: dict[str, Callable[[Federation, Event], None]] = {
    "client.enrolled": _client_enrolled,
    "client.retired": _client_retired,
    "client.joined": _client_joined,
    "client.silent": _client_silent,
    "gate.changed": _gate_changed,
    "grid.read": _grid_read,
    "run.started": _run_started,
    "run.opened": _run_opened,
    "run.waiting": _run_waiting,
    "run.stop_requested": _run_stop_requested,
    "run.ended": _run_ended,
    "round.planned": _round_planned,
    "assignment.reissued": _assignment_reissued,
    "assignment.declined": _settled("declined"),
    "assignment.failed": _settled("failed"),
    "assignment.given_up": _settled("given_up"),
    "update.accepted": _update_accepted,
    "update.refused": _settled("refused"),
    "update.late": _book,
    "update.conflicting": _book,
    "round.committed": _round_committed,
    "round.closed": _round_closed,
    "round.evaluated": _round_evaluated,
}
