"""A run in progress or ended, as its events left it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scheduler.accounting.booking import Booking
from scheduler.accounting.totals import Totals
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.problem import Problem
from scheduler.federation.round import ClosedRound, Round
from scheduler.ledger.events import RunWaiting, Step
from scheduler.ledger.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Blocked:
    """The step that fails, why and what to do, and since when, on the wall clock."""

    step: Step
    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which a run begins no round, on the grid clock; without an `end` it still lasts."""

    start: datetime
    end: datetime | None = None


@dataclass(slots=True)
class WorkSums:
    """What one client used for one run, counted or not, as far as it is known when booked."""

    energy_wh: float = 0.0
    gco2eq: float = 0.0

    def replace(self, before: Booking | None, after: Booking | None) -> None:
        """Follow a booking that is new, is replaced by another, or is taken back."""
        for booking, sign in ((before, -1), (after, 1)):
            if booking is not None and booking.energy_wh is not None:
                self.energy_wh += sign * booking.energy_wh
                self.gco2eq += sign * (booking.gco2eq or 0.0)


@dataclass(slots=True)
class Run:
    """A run in progress or ended.

    `version` and `server_state` are SHA-256 names of blobs; `version` is `None` until the
    coordinator has made the first one. `scored_here` says that the coordinator has test data.
    `due_at` is when the next round is due, `baseline_at` when the same work would have been there
    without waiting for clean power; both on the grid clock. `totals` sums its bookings, `work`
    those of each client. `grid_page` names, once it is over, what the archive keeps of its grids.
    `too_long` are the clients whose site stopped a training at the longest time that it allows.
    `last_value` is the score of the newest version that has one, which round `last_scored` made.
    `failures` counts each client's failures since it last delivered or restarted; `problems` keeps,
    by client, its newest assignment that brought no update. `pauses` are in order.
    """

    spec: RunSpec
    started_at: datetime
    grid_started_at: datetime
    version: str | None = None
    server_state: str | None = None
    num_params: int = 0
    scored_here: bool = True
    closed: ClosedRounds = field(default_factory=ClosedRounds)
    open_round: Round | None = None
    due_at: datetime | None = None
    baseline_at: datetime | None = None
    best_version: str | None = None
    best_value: float | None = None
    last_scored: int = 0
    last_value: float | None = None
    totals: Totals = field(default_factory=Totals)
    work: dict[str, WorkSums] = field(default_factory=dict)
    grid_page: str | None = None
    failures: dict[str, int] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    too_long: set[str] = field(default_factory=set)
    last_planned_seq: int = 0
    waiting: RunWaiting | None = None
    blocked: Blocked | None = None
    pauses: tuple[Pause, ...] = ()
    stop_requested: bool = False
    ended_at: datetime | None = None
    grid_ended_at: datetime | None = None
    end_reason: str | None = None
    end_text: str = ""

    @property
    def id(self) -> str:
        """The run's name."""
        return self.spec.id

    @property
    def complete(self) -> bool:
        """Whether all its rounds are closed; the last version may still want its score."""
        return self.spec.rounds is not None and len(self.closed) >= self.spec.rounds

    @property
    def paused(self) -> bool:
        """Whether it begins no round until a user resumes it."""
        return bool(self.pauses) and self.pauses[-1].end is None

    @property
    def baseline_due(self) -> datetime | None:
        """When the baseline's next round starts, grid clock: a pause holds the baseline up, too."""
        at = self.baseline_at
        for pause in self.pauses:
            if at is not None and pause.end is not None and pause.start <= at < pause.end:
                at = self.spec.due(pause.end)
        return at

    @property
    def counted_gco2eq(self) -> float:
        """Emissions of the updates in the closed rounds, gCO2eq."""
        return self.closed.sums.gco2eq

    @property
    def uncounted_wh(self) -> float:
        """Energy of work that did not count, as far as it was reported, Wh."""
        return self.totals.uncounted_wh

    @property
    def uncounted_gco2eq(self) -> float:
        """Emissions of work that did not count, as far as they are known, gCO2eq."""
        return self.totals.uncounted_gco2eq

    @property
    def spent_gco2eq(self) -> float:
        """All emissions that were known when they were booked, counted or not, gCO2eq."""
        return self.totals.gco2eq

    @property
    def status(self) -> str:
        """``starting``, ``waiting``, ``running``, ``paused``, ``blocked`` or ``ended``."""
        if self.ended_at is not None:
            return "ended"
        if self.blocked is not None:
            return "blocked"
        if self.paused:
            return "paused"
        if self.version is None:
            return "starting"
        return "running" if self.open_round is not None else "waiting"

    def scored_by_clients(self, number: int) -> dict[str, float] | None:
        """Return the clients' score of a round's version: they pull it for the round after."""
        later = self.closed.find(number + 1)
        return later.held_out if later else None

    def unevaluated(self) -> list[ClosedRound]:
        """Return the closed rounds whose version has no score yet."""
        return [closed for closed in self.closed[-2:] if closed.metrics is None]
