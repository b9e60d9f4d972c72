"""Folding: what each kind of event changes in the federation. Events alone change it.

Kinds that this version does not know change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from scheduler.accounting.book import Change
from scheduler.accounting.booking import Outcome
from scheduler.carbon.reading import Reading
from scheduler.federation.client import Client
from scheduler.federation.round import Accepted, AssignmentState, ClosedRound, Round
from scheduler.federation.run import Run
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Event
from scheduler.ledger.run_spec import RunSpec

if TYPE_CHECKING:
    from scheduler.federation.federation import Federation


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
    client.gate, client.gate_told_at = Gate.from_dict(event.body), event.grid_at
    if was_open and client.gate.state != "open":
        client.waiting_since = event.grid_at


def _grid_read(self: Federation, event: Event) -> None:
    told = event.body["readings"]
    for zone, body in told.items():
        reading = Reading.from_dict(zone, body) if body else None
        self.grid.setdefault(zone, ZoneReadings()).tell(reading, event.grid_at)
    for client in self.clients.values():
        # Gates are explained by what holds now; what changes them has events of its own.
        if client.gate is not None and (now := told.get(client.zone)):
            client.gate = client.gate.seeing(now["gco2eq_per_kwh"])


def _grid_settled(self: Federation, event: Event) -> None:
    told = event.body["readings"].items()
    readings = [Reading.from_dict(zone, body) for zone, bodies in told for body in bodies]
    _enter(self, self.book.settle(readings))


def _grid_caught_up(self: Federation, event: Event) -> None:
    for zone, bodies in event.body["readings"].items():
        for body in bodies:
            self.grid.setdefault(zone, ZoneReadings()).recall(Reading.from_dict(zone, body))


def _signal_fell_back(self: Federation, event: Event) -> None:
    said = {name: event.body[name] for name in ("expected", "speaks", "why")}
    self.signals[event.body["zone"]] = said | {"since": event.grid_at}


def _signal_recovered(self: Federation, event: Event) -> None:
    speaks = event.body["speaks"]
    said = {"expected": speaks, "speaks": speaks, "why": "", "since": event.grid_at}
    self.signals[event.body["zone"]] = said


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
        _enter(self, self.book.cut_off(run.id, run.open_round.number))
        _lose_open(self, run, run.open_round)
        run.open_round = None


def _round_planned(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    run.last_planned_seq, run.waiting = event.seq, None
    if run.open_round is None:
        run.open_round = Round.planned(event)
    run.open_round.invite(event, self.clients)
    for client in event.body["cohort"]:
        self.clients[client].asked += 1


def _open_round(self: Federation, event: Event) -> Round | None:
    round_ = self.runs[event.run].open_round
    return round_ if round_ is not None and round_.number == event.round else None


def _assignment_reissued(self: Federation, event: Event) -> None:
    if round_ := _open_round(self, event):
        state = round_.cohort[event.client]
        _answer(self, state, "open")
        state.attempt, state.issued_at = event.body["attempt"], event.at
        state.incarnation = self.clients[event.client].incarnation


def _answer(self: Federation, part: AssignmentState, status: str) -> None:
    self.clients[part.client].answer(part.status, status)
    part.status = status


def _enter(self: Federation, changes: Iterable[Change]) -> None:
    """Let the sums of runs and clients follow the book."""
    for change in changes:
        booking = change.after or change.before
        if booking is not None:
            self.runs[booking.run].tally.replace(*change)
            self.clients[booking.client].tally.replace(*change)


def _lose_open(self: Federation, run: Run, round_: Round) -> None:
    """Book what was never answered, until it is."""
    for part in round_.open_assignments():
        zone = self.clients[part.client].zone
        _enter(self, self.book.lost(run.id, round_.number, part.client, zone))


def _booked(outcome: Outcome) -> Callable[[Federation, Event], None]:
    def handler(self: Federation, event: Event) -> None:
        zone = self.clients[event.client].zone
        _enter(self, self.book.answered(event, outcome, zone))

    return handler


def _settled(
    status: Literal["declined", "failed", "refused"],
) -> Callable[[Federation, Event], None]:
    book = _booked(status)

    def handler(self: Federation, event: Event) -> None:
        _settle_part(self, event, status)
        if status != "declined":
            _count_failure(self.runs[event.run], event.client)
        book(self, event)

    return handler


def _given_up(self: Federation, event: Event) -> None:
    _settle_part(self, event, "given_up")
    if event.body["code"] == "lost_too_often":
        _count_failure(self.runs[event.run], event.client)
    zone = self.clients[event.client].zone
    _enter(self, self.book.lost(event.run, event.round, event.client, zone))


def _settle_part(self: Federation, event: Event, status: str) -> None:
    round_ = _open_round(self, event)
    part = round_.cohort.get(event.client) if round_ else None
    if part is not None and part.status == "open":
        _answer(self, part, status)
        part.reason = event.body.get("reason")


def _count_failure(run: Run, client: str) -> None:
    run.failures[client] = run.failures.get(client, 0) + 1


def _update_accepted(self: Federation, event: Event) -> None:
    run, round_ = self.runs[event.run], _open_round(self, event)
    if round_ is None:
        return
    accepted, client = Accepted.from_body(event.body), self.clients[event.client]
    _enter(self, self.book.answered(event, "counted", client.zone))
    round_.accepted[event.client] = accepted
    part = round_.cohort[event.client]
    _answer(self, part, "accepted")
    run.failures.pop(event.client, None)
    share = part.epochs / run.spec.hyperparameters.epochs if part.epochs else 1.0
    client.learn(accepted, event.grid_at, examples=event.body["examples"], share=share)


def _round_committed(self: Federation, event: Event) -> None:
    if round_ := _open_round(self, event):
        round_.manifest = event.body["manifest"]


def _round_closed(self: Federation, event: Event) -> None:
    run, round_ = self.runs[event.run], _open_round(self, event)
    if round_ is None:
        return
    closed = ClosedRound.from_event(event, round_)
    run.closed.append(closed)
    _lose_open(self, run, round_)
    for booking in self.book.of_round(run.id, closed.number):
        if booking.outcome == "counted" and booking.started_at and booking.ended_at:
            earlier = closed.baseline_started - closed.started
            start, end = booking.started_at + earlier, booking.ended_at + earlier
            self.book.want(booking.zone, start, end)
    run.version, run.server_state = closed.version, event.body["server_state"]
    run.baseline_at = run.spec.due(closed.baseline_ended)
    # Occurrences that passed while the round waited for clean power lapse: made up for, they would
    # crowd the rounds together that the schedule spreads.
    run.due_at = run.spec.due(closed.started) if run.spec.cron else event.grid_at
    run.open_round = None


def _round_evaluated(self: Federation, event: Event) -> None:
    run = self.runs[event.run]
    for closed in run.closed:
        if closed.number == event.round:
            closed.metrics = event.body["metrics"]
            value = closed.metrics.get(run.spec.metric)
            if value is not None and run.spec.better(value, run.best_value):
                run.best_version, run.best_value = closed.version, value


HANDLERS: Mapping[str, Callable[[Federation, Event], None]] = {
    "client.enrolled": _client_enrolled,
    "client.retired": _client_retired,
    "client.joined": _client_joined,
    "client.silent": _client_silent,
    "gate.changed": _gate_changed,
    "grid.read": _grid_read,
    "grid.caught_up": _grid_caught_up,
    "grid.settled": _grid_settled,
    "signal.fell_back": _signal_fell_back,
    "signal.recovered": _signal_recovered,
    "run.started": _run_started,
    "run.opened": _run_opened,
    "run.waiting": _run_waiting,
    "run.stop_requested": _run_stop_requested,
    "run.ended": _run_ended,
    "round.planned": _round_planned,
    "assignment.reissued": _assignment_reissued,
    "assignment.declined": _settled("declined"),
    "assignment.failed": _settled("failed"),
    "assignment.given_up": _given_up,
    "update.accepted": _update_accepted,
    "update.refused": _settled("refused"),
    "update.late": _booked("late"),
    "update.duplicate": _booked("duplicate"),
    "update.conflicting": _booked("conflicting"),
    "round.committed": _round_committed,
    "round.closed": _round_closed,
    "round.evaluated": _round_evaluated,
}
