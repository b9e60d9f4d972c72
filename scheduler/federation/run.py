"""A run in progress or ended, as its events left it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.messages import MemoryRef, Partition, PrivacySpent
from scheduler.accounting.booking import Booking
from scheduler.accounting.totals import Totals
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.control_variates import ControlVariates
from scheduler.federation.problem import Problem
from scheduler.federation.round import Round
from scheduler.ledger.events import Evaluation, Evaluator, ManifestLine, RunWaiting, Step
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


@dataclass(frozen=True, slots=True)
class SiteScore:
    """The run's metric of a version at one site, `None` where it was not finite or not reported."""

    version: int
    value: float | None


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

    `version`, `frozen` and `server_state` are SHA-256 names of blobs; `version` is `None` until the
    coordinator has made the first one; `frozen` holds the parameters that no training changes;
    `personal` are the tensors that stay at the sites, with `num_personal` numbers.
    `controls` are the control variates, where its algorithm has any.
    `scored_here` says that the coordinator evaluates.
    `num_enrolled` is how many clients were enrolled when it started, retired ones included.
    `due_at` is when the next round is due, `baseline_at` when the same work would have been there
    without waiting for clean power; both on the grid clock. `totals` sums its bookings, `work`
    those of each client. `grid_page` names, once it is over, what the archive keeps of its grids.
    `lower_is_better` is which way its metric is better. `first_evaluation` is that of version 0, on
    the coordinator's test data or by the sites that pulled it. `last_evaluation` is that of the
    newest version whose metric is known, which round `last_scored` made. `best_value` is the best
    metric that all who evaluated a version reported; `no_better` counts the versions since, of
    which it is known as well; `goal_reached` says that a version reached the run's goal. `problems`
    keeps, by client, its newest assignment that brought no update, `site_scores` what it found of
    the newest version that it evaluated. `memory` names, by client, what
    its site remembers since its last update that counted; `latest` is that update, where a version
    is the mean of each client's latest model; `memory_lost` has the last round before
    which a site lost what it was to start from, `altered` the last round in which a site found the
    bytes of the model altered. `privacy` is what it has spent of the privacy of each site's
    records, as these report it. `unblocked_at` is until when it
    was last blocked, wall clock. `pauses` are in order.
    """

    spec: RunSpec
    started_at: datetime
    grid_started_at: datetime
    num_enrolled: int = 0
    version: str | None = None
    frozen: str | None = None
    server_state: str | None = None
    controls: ControlVariates = field(default_factory=ControlVariates)
    num_params: int = 0
    personal: tuple[str, ...] = ()
    num_personal: int = 0
    scored_here: bool = True
    closed: ClosedRounds = field(default_factory=ClosedRounds)
    open_round: Round | None = None
    due_at: datetime | None = None
    baseline_at: datetime | None = None
    lower_is_better: bool = False
    first_evaluation: Evaluation | None = None
    best_version: str | None = None
    best_value: float | None = None
    no_better: int = 0
    goal_reached: bool = False
    last_scored: int = 0
    last_evaluation: Evaluation | None = None
    totals: Totals = field(default_factory=Totals)
    work: dict[str, WorkSums] = field(default_factory=dict)
    grid_page: str | None = None
    problems: dict[str, Problem] = field(default_factory=dict)
    memory: dict[str, MemoryRef] = field(default_factory=dict)
    memory_lost: dict[str, int] = field(default_factory=dict)
    altered: dict[str, int] = field(default_factory=dict)
    site_scores: dict[str, SiteScore] = field(default_factory=dict)
    latest: dict[str, ManifestLine] = field(default_factory=dict)
    privacy: dict[str, PrivacySpent] = field(default_factory=dict)
    last_planned_seq: int = 0
    waiting: RunWaiting | None = None
    blocked: Blocked | None = None
    unblocked_at: datetime | None = None
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

    def partition(self, place: int) -> Partition:
        """Return a client's part of a common data set, the same as long as the run lasts."""
        return Partition(id=place, of=max(self.num_enrolled, place + 1))

    @property
    def last_value(self) -> float | None:
        """The metric of the newest version of which it is known."""
        return self.last_evaluation.metrics[self.spec.metric] if self.last_evaluation else None

    def better(self, value: float) -> bool:
        """Return whether a value of its metric beats the best one."""
        best = self.best_value
        if best is None:
            return True
        return value < best if self.lower_is_better else value > best

    @property
    def sites_evaluate(self) -> bool:
        """Whether its sites evaluate the versions that they pull."""
        return self.spec.evaluators == "both" or not self.scored_here

    def found_by_sites(self, closed: ClosedRound) -> Evaluation | None:
        """Return the sites' evaluation of the version that a round made, if it is recorded."""
        return closed.at_sites if self.scored_here else closed.evaluation

    @property
    def complete(self) -> bool:
        """Whether all its rounds are closed; the last version may still want its score."""
        return self.spec.rounds is not None and len(self.closed) >= self.spec.rounds

    @property
    def learns_no_more(self) -> bool:
        """Whether as many versions as the run is to wait for were no better than the best."""
        patience = self.spec.patience_rounds
        return patience is not None and self.no_better >= patience

    @property
    def grams_spent(self) -> bool:
        """Whether it has a gram budget of which nothing is left."""
        return self.spec.grams is not None and self.spent_gco2eq >= self.spec.grams

    @property
    def out_of_grams(self) -> bool:
        """Whether its budget is spent, or does not cover what the next clients would emit."""
        over = self.waiting is not None and self.waiting.reason == "over_budget"
        return over or self.grams_spent

    def hours_spent(self, grid_now: datetime) -> bool:
        """Return whether it has a budget of hours, which are over."""
        hours = self.spec.hours
        return hours is not None and grid_now >= self.grid_started_at + timedelta(hours=hours)

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
        round_ = self.round_under_way
        if round_ is None or (self.spec.is_async and not round_.open_assignments()):
            return "waiting"
        return "running"

    @property
    def round_under_way(self) -> Round | None:
        """Its open round, unless that is still to be planned."""
        round_ = self.open_round
        return None if round_ is None or round_.pending else round_

    def base_of(self, issued: int) -> str:
        """Return the version that the assignments which a round issued train from.

        Raises:
            LookupError: If it has issued none.
        """
        if (closed := self.closed.find(issued)) is not None:
            return closed.base_version
        if self.open_round is not None and self.open_round.number == issued:
            return self.open_round.base_version
        raise LookupError(issued)

    def evaluated_by_sites(self, number: int) -> Evaluation | None:
        """Return the sites' evaluation of a round's version: they pull it for the round after.

        `None` until they have; without figures where none of them made one.
        """
        later = self.closed.find(number + 1)
        return None if later is None else later.held_out or Evaluation(metrics={})

    def unevaluated(self, by: Evaluator) -> list[ClosedRound]:
        """Return the closed rounds whose version was not evaluated by the coordinator or sites."""
        if not (self.scored_here if by == "coordinator" else self.sites_evaluate):
            return []
        return [
            closed
            for closed in self.closed[-2:]
            if (self.found_by_sites(closed) if by == "sites" else closed.evaluation) is None
        ]
