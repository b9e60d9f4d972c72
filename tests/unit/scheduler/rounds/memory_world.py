"""A world in memory: the engine with sites that answer in their usual time, and steps that fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from safetensors.numpy import save

from common.clock import GridClock, VirtualClock
from common.errors import BlobError
from common.messages import Receipt
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.gate.gate import GateRule
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    Payload,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopRequested,
    UpdateFault,
)
from scheduler.rounds.engine import Engine
from scheduler.rounds.expected_work import ExpectedWork, NothingLearned
from scheduler.rounds.world import (
    Admitted,
    FirstVersion,
    LossCode,
    LostUpdatesError,
    NextVersion,
    Rules,
    World,
)
from scheduler.selection.score_weights import WEIGHTS
from scheduler.selection.verdict import Verdicts
from tests.unit.scheduler.story import NOON, spec

HOUR = timedelta(hours=1)


class Hours:
    """A signal whose zones have these intensities from noon on, hour by hour, the last one ever."""

    name = "hours"

    def __init__(self, **hours: Sequence[float]) -> None:
        self._hours = hours

    def zones(self) -> tuple[str, ...]:
        return tuple(self._hours)

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        first = max(0, (start - NOON) // HOUR)
        last = max(0, -((NOON - end) // HOUR))
        values = self._hours[zone]
        return [
            Reading(
                zone, NOON + n * HOUR, NOON + (n + 1) * HOUR, values[min(n, len(values) - 1)],
                "hours", FLOW_TRACED, "measured",
            )
            for n in range(first, last + 1)
            if NOON + n * HOUR < end and NOON + (n + 1) * HOUR > start
        ]  # fmt: skip


class MemoryHistory:
    """Folds what is appended. `meanwhile` is called before an append, as another process might."""

    def __init__(self, clock: VirtualClock) -> None:
        self.state = Federation()
        self.events: list[Event] = []
        self.meanwhile: Callable[[], None] | None = None
        self._clock = clock

    def append(self, *drafts: Draft, after: int) -> bool:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        if after != self.state.seq:
            return False
        for draft in drafts:
            self.write(draft)
        return True

    def write(self, draft: Draft) -> None:
        event = Event(
            self.state.seq + 1, self._clock.wall(), self._clock.grid(), draft.payload, draft.run,
            draft.round, draft.client, "", "",
        )  # fmt: skip
        self.events.append(event)
        apply(self.state, event)

    def keep_verdicts(self, verdicts: Verdicts) -> None:
        """Keep nothing."""


class Sites(ExpectedWork):
    """Sites that score what they pull where `held_out` says so, and may lose an assignment.

    The version of a run that is `unreadable` cannot be sent. Their receipts are as `changes`
    says, and their times by clocks that are `ahead`. A site in `reports` finds those metrics,
    whatever it pulls.
    """

    def __init__(self, state: Federation, clock: VirtualClock, *, held_out: int) -> None:
        super().__init__(state, clock)
        self.sent: list[tuple[str, int, str, int]] = []
        self.lose: set[str] = set()
        self.lost_by: LossCode = "lost"
        self.unread = False
        self.refuses: Exception | None = None
        self.unreadable: dict[str, BlobError] = {}
        self.ahead: dict[str, timedelta] = {}
        self.changes: dict[str, dict[str, Any]] = {}
        self.score = 0.5
        self.reports: dict[str, dict[str, float | None]] = {}
        self._held_out = held_out

    def send(self, run: Run, clients: Sequence[str]) -> None:
        assert run.open_round is not None
        if self.refuses is not None:
            raise self.refuses
        if run.id in self.unreadable:
            raise self.unreadable[run.id]
        parts = run.open_round.cohort
        self.sent += [(run.id, run.open_round.number, c, parts[c].attempt) for c in clients]
        super().send(run, [client for client in clients if client not in self.lose])

    def send_missing(self, run: Run) -> None:
        assert run.open_round is not None
        self.send(run, [part.client for part in run.open_round.open_assignments()])

    def lost(self, run: Run) -> dict[str, LossCode]:
        out = set(run.open_round.cohort) if run.open_round else set()
        return dict.fromkeys(sorted(self.lose & out), self.lost_by)

    def has_unread(self) -> bool:
        return self.unread

    def arrive(self) -> Receipt:
        receipt = super().arrive()
        run = self._state.runs[receipt.run]
        scored: dict[str, Any] = {}
        if self._held_out:
            accuracy = self.score + len(run.closed) / 100
            found = self.reports.get(receipt.client, {"accuracy": accuracy})
            scored = {"metrics": found, "num_held_out": self._held_out}
        if run.open_round is not None and run.open_round.evaluates:
            scored |= {"outcome": "evaluated", "update": None, "num_examples": 0}
        ahead = self.ahead.get(receipt.client, timedelta(0))
        times = {
            name: getattr(receipt, name) + ahead for name in ("started_at", "ended_at", "sent_at")
        }
        changes = self.changes.get(receipt.client, {})
        return receipt.model_copy(update=times | scored | changes)


def version_bytes(run: str, number: int) -> bytes:
    """Return the bytes of the version that a round makes: one figure, as safetensors."""
    return save({"round": np.array([number])}, metadata={"run": run})


class Learning(NothingLearned):
    """Makes a new version each round; `broken` names the methods that raise, and what.

    `first` is what version 0 is worth, and `scores` what that of a round is.
    `refuses` holds what is raised for the updates of some clients.
    `lost` names the clients whose updates turn out to be lost when they are summed next.
    `meanwhile` is called while they are summed, as another process might.
    """

    def __init__(self, *, scored_here: bool) -> None:
        self.broken: dict[str, Exception | SystemExit] = {}
        self.refuses: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.first: dict[str, float | None] | None = None
        self.lower_is_better = False
        self.scores: dict[int, dict[str, float | None]] = {}
        self.lost: dict[str, UpdateFault] = {}
        self.meanwhile: Callable[[], None] | None = None
        self._scored_here = scored_here

    def withdraw(self, version: str) -> None:
        self.calls.append("withdraw")

    def check_in_flight(self, run: Run, version: str) -> None:
        self.calls.append("check_in_flight")

    def _called(self, name: str, run: Run | None = None) -> None:
        self.calls.append(name)
        failing = self.broken.get(f"{run.id}.{name}" if run else "") or self.broken.get(name)
        if failing is not None:
            raise failing

    def open(self, run: Run) -> FirstVersion:
        self._called("open", run)
        return replace(
            super().open(run), scored_here=self._scored_here, metrics=self.first,
            lower_is_better=self.lower_is_better,
        )  # fmt: skip

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        self._called("admit", run)
        if receipt.client in self.refuses:
            raise self.refuses[receipt.client]
        return super().admit(run, receipt)

    def make(self, run: Run, round_: Round) -> NextVersion:
        self._called("make", run)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        lost = self.lost.keys() & {line.client for line in round_.manifest or ()}
        if lost:
            raise LostUpdatesError({name: self.lost.pop(name) for name in sorted(lost)})
        digest = hashlib.sha256(version_bytes(run.id, round_.number)).hexdigest()
        return NextVersion(digest, None)

    def score(self, run: Run, closed: ClosedRound) -> dict[str, float | None]:
        self._called("score", run)
        return self.scores.get(closed.number, {"accuracy": closed.number / 10})

    def export(self, run: Run) -> None:
        self._called("export", run)


class MemoryWorld:
    """A federation of clients in France that are alive, and an engine; time moves by `play`."""

    def __init__(
        self,
        *clients: str,
        scored_here: bool = True,
        held_out: int = 0,
        hours: Sequence[float] = (100.0,),
        max_attempts: int = 3,
        away_after: timedelta = timedelta(0),
        stagger: timedelta = timedelta(0),
        learning: Learning | None = None,
    ) -> None:
        self.clock = VirtualClock(NOON, GridClock())
        self.history = MemoryHistory(self.clock)
        self.work = Sites(self.history.state, self.clock, held_out=held_out)
        self.learning = learning or Learning(scored_here=scored_here)
        rule = GateRule(
            threshold_gco2eq_per_kwh=200.0, ceiling_gco2eq_per_kwh=1000.0,
            patience=timedelta(hours=72), dwell=timedelta(0),
        )  # fmt: skip
        rules = Rules(
            gate=rule, weights=WEIGHTS, valid=HOUR, max_attempts=max_attempts,
            network_kwh_per_gb=0.0, away_after=away_after, stagger=stagger,
        )  # fmt: skip
        self.world = World(
            self.history, self.work, self.learning, Grid(Hours(FR=hours)), self.clock, rules
        )
        self.engine = Engine(self.world)
        for client in clients or ("a", "b", "c"):
            self.happen(ClientEnrolled(zone="FR", num_examples=10), client=client)
            self.happen(ClientJoined(incarnation="i1", host="h", pid=1), client=client)
            known = self.history.state.clients[client]
            known.latency_s, known.energy_per_update_wh = 60.0, 2.0

    def happen(self, payload: Payload, *, run: str = "", client: str = "") -> None:
        self.history.write(Draft(payload, run=run, client=client))

    def start(self, run: str = "r", **asked: Any) -> None:
        fields = {"rounds": 2, "policy": "all", "deadline_s": 7200.0} | asked
        self.happen(RunStarted(spec=spec(id=run, **fields)), run=run)

    def stop(self, run: str = "r") -> None:
        self.happen(RunStopRequested(), run=run)

    def pause(self, run: str = "r") -> None:
        self.happen(RunPaused(), run=run)

    def resume(self, run: str = "r") -> None:
        self.happen(RunResumed(), run=run)

    def run(self, run: str = "r") -> Run:
        return self.history.state.runs[run]

    def open_round(self, run: str = "r") -> Round:
        round_ = self.run(run).open_round
        assert round_ is not None
        return round_

    def kinds(self, run: str = "r") -> list[str]:
        return [event.kind for event in self.history.events if event.run == run]

    def play(self, span: timedelta = HOUR) -> None:
        """Let answers arrive and minutes pass."""
        end = self.clock.now + span
        self.engine.advance()
        while self.clock.now < end:
            arrival, then = self.work.next_arrival, self.clock.now + timedelta(minutes=1)
            if arrival is not None and arrival <= then:
                self.clock.now = max(self.clock.now, arrival)
                self.engine.receive(self.work.arrive())
            else:
                self.clock.now = then
            self.engine.advance()

    def play_one(self) -> None:
        """Let the next answer arrive."""
        self.clock.now = max(self.clock.now, self.work.next_arrival or self.clock.now)
        self.engine.receive(self.work.arrive())
        self.engine.advance()
