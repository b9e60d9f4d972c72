"""The course of a simulated run: production's steps, one instant of virtual time after another."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.errors import SettingError
from models.aggregation import grid_exponent
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import ClosedRound
from scheduler.gate.gate import GateRule
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, RoundEvaluated, RunStarted
from scheduler.rounds.drafts import (
    closed_body,
    committed_body,
    heaviest_weight,
    planned_body,
)
from scheduler.rounds.ending import end_body, end_reason
from scheduler.rounds.news import gate_news, grid_news
from scheduler.rounds.progress import (
    is_complete,
    is_due,
    overdue,
    stands_still,
    waiting_body,
    waiting_news,
)
from scheduler.selection.plan import Plan, plan_round
from scheduler.selection.score import score_weights
from scheduler.selection.situation import judge_gates, take_in
from simulation.grids.grid import VirtualClock, VirtualGrid
from simulation.ports.intake import Intake
from simulation.ports.journal import Journal
from simulation.ports.learning import Learner
from simulation.ports.presence import Availability
from simulation.ports.site import VirtualSite
from simulation.ports.work import Job, OnTheWay, work
from simulation.scenario.scenario import Scenario

_LONGEST_WAIT = timedelta(days=90)
"""A run in which nothing happened for so long never goes on."""


@dataclass(slots=True)
class Seen:
    """What a course saw of a round that the run does not keep: see `RoundOutcome`."""

    invited: int = 0
    spent_gco2eq: float = 0.0
    counted_gco2eq: float = 0.0
    by_label: tuple[float, ...] = ()
    by_site: Mapping[str, float] = field(default_factory=dict)


class Course:
    """Takes a run from its start to its end. All decisions are the scheduler's own.

    Args:
        scenario: What is simulated.
        sites: By client id, in the order in which they enrol.
        examples: How many examples each client has.
        grid: Under `clock`.
        clock: Moved by the course.
        learner: Trains and makes versions.
        journal: Takes what happens.
        rule: When gates open.
    """

    def __init__(
        self,
        scenario: Scenario,
        sites: Mapping[str, VirtualSite],
        examples: Mapping[str, int],
        *,
        grid: VirtualGrid,
        clock: VirtualClock,
        learner: Learner,
        journal: Journal,
        rule: GateRule,
    ) -> None:
        self._scenario = scenario
        self._spec = scenario.run
        self._sites = sites
        self._examples = examples
        self._grid = grid
        self._clock = clock
        self._learner = learner
        self._journal = journal
        self._rule = rule
        self._presence = Availability(sites, clock.now)
        self._answers = OnTheWay()
        self._intake = Intake(self._spec, learner, journal, grid, self._answers)
        self._weights = score_weights({})
        self._moved_at = clock.now
        self.decisions = hashlib.sha256()
        self.seen: dict[int, Seen] = defaultdict(Seen)

    @property
    def run(self) -> Run:
        """The run as the events so far tell it."""
        return self._state.runs[self._spec.id]

    @property
    def _state(self) -> Federation:
        return self._journal.state

    def follow(self) -> Iterator[ClosedRound]:
        """Let time pass until the run is over and every site has answered.

        Yields:
            Every closed round, in order.

        Raises:
            SettingError: If nothing happens any more, or the run's policy fails.
        """
        self._begin()
        self._tick()
        told = 0
        while self.run.ended_at is None:
            look_at = self._next_look()
            if self._answers.next_at is not None and self._answers.next_at <= look_at:
                self._take_answer()
                if not stands_still(self._state, self.run, self._clock.now):
                    continue
            else:
                self._clock.now = look_at
            self._tick()
            yield from self.run.closed[told:]
            told = len(self.run.closed)
            self._refuse_standstill()
        ended = self._clock.now
        while self._answers.next_at is not None:
            self._take_answer()
        self._clock.now = ended

    def _record(self, *drafts: Draft) -> None:
        self._journal.record(self._clock.now, *drafts)

    def _begin(self) -> None:
        for site in self._sites.values():
            enrolled = ClientEnrolled(zone=site.zone, num_examples=site.part.num_examples)
            self._record(Draft(enrolled, client=site.id))
        self._record(Draft(RunStarted(spec=self._spec), run=self._spec.id))
        self._record(Draft(self._learner.opened(), run=self._spec.id))

    def _next_look(self) -> datetime:
        """Return when to look around next, whatever the sites answer."""
        run, now = self.run, self._clock.now
        times = [slot_start(now) + HOUR, self._presence.next_at]
        if run.open_round is not None:
            times.append(run.open_round.deadline)
        else:
            times.append(run.due_at)
        if self._spec.hours is not None:
            times.append(run.grid_started_at + timedelta(hours=self._spec.hours))
        return min(time for time in times if time is not None and time > now)

    def _tick(self) -> None:
        """Do what production's tick does, in its order."""
        self._look_around()
        self._record(*overdue(self.run, self._clock.now))
        self._close_if_complete()
        self._end_if_over()
        if self.run.ended_at is None:
            self._plan_if_due()
            self._end_if_over()

    def _look_around(self) -> None:
        now, state = self._clock.now, self._state
        self._record(*self._presence.news(state.clients, now))
        if self._journal.keeps:
            zones = {zone: self._grid.zone(zone, now) for zone in self._scenario.zones}
            self._record(*grid_news(state, zones))
        gates = judge_gates(self._state, self._state.clients.values(), self._grid, self._rule, now)
        self._record(*gate_news(self._state.clients, gates, now))

    def _end_if_over(self) -> None:
        run = self.run
        reason = end_reason(run, self._clock.now) if run.ended_at is None else None
        if reason is not None:
            self._record(Draft(end_body(run, reason, ""), run=run.id))

    def _plan_if_due(self) -> None:
        run, now, state = self.run, self._clock.now, self._state
        if not is_due(run, state.clients, now):
            return
        number = run.open_round.number if run.open_round else len(run.closed) + 1
        situation = take_in(state, run, self._grid, self._rule, now, weights=self._weights)
        plan = plan_round(self._spec, situation, number=number, so_far=run.open_round)
        if not plan.cohort:
            self._record(*waiting_news(run, waiting_body(plan, now)))
            return
        self._moved_at = now
        body = planned_body(
            run, plan, valid_until=now + timedelta(hours=self._scenario.gate.valid_h),
            exponent=grid_exponent(self._spec.norm_bound, heaviest_weight(state, run, plan)),
            verdicts=self._journal.keep_verdicts(plan.verdicts),
        )  # fmt: skip
        self._record(Draft(body, run=run.id, round=number))
        line = f"{number} {now.isoformat()} {','.join(plan.cohort)}\n"
        self.decisions.update(line.encode())
        self.seen[number].invited += len(plan.cohort)
        self._dispatch(plan)

    def _dispatch(self, plan: Plan) -> None:
        round_ = self.run.open_round
        assert round_ is not None  # noqa: S101 - it was just planned, for the type checker
        for client in plan.cohort:
            part = round_.cohort[client]
            job = Job(
                self._spec, round_, part, examples=self._examples[client],
                epochs=part.epochs or self._spec.hyperparameters.epochs,
                pulled_nbytes=self._learner.pulled_nbytes,
                pushed_nbytes=self._learner.pushed_nbytes,
            )  # fmt: skip
            answer = work(self._sites[client], job)
            if answer is not None:
                self._answers.add(answer)

    def _take_answer(self) -> None:
        answer = self._answers.take()
        self._clock.now = max(self._clock.now, answer.at)
        self._record(self._intake.take(answer, self._clock.now))

    def _close_if_complete(self) -> None:
        run, now = self.run, self._clock.now
        round_ = run.open_round
        if round_ is None or not is_complete(self._state, run, now):
            return
        body = committed_body(round_)
        self._record(Draft(body, run=run.id, round=round_.number))
        self._learner.close(body.manifest, exponent=round_.exponent)
        closed = closed_body(
            self._state, run, round_, self._grid, grid_now=now, version=self._learner.version
        )
        self._record(Draft(closed, run=run.id, round=round_.number))
        seen = self.seen[round_.number]
        seen.spent_gco2eq, seen.counted_gco2eq = (
            self.run.spent_gco2eq,
            self.run.totals.counted_gco2eq,
        )
        self._score()

    def _score(self) -> None:
        run = self.run
        found = self._learner.score()
        for closed in run.unevaluated():
            if found is not None:
                metrics: dict[str, float] | None = found.metrics
                seen = self.seen[closed.number]
                seen.by_label, seen.by_site = found.by_label, found.by_site
            else:
                metrics = run.scored_by_clients(closed.number)
            if metrics is not None:
                scored = RoundEvaluated(metrics=metrics)
                self._record(Draft(scored, run=run.id, round=closed.number))

    def _refuse_standstill(self) -> None:
        """Stop where production would wait for ever.

        Raises:
            SettingError: If no round was planned for a long time.
        """
        now, run = self._clock.now, self.run
        if run.ended_at is not None or now - self._moved_at < _LONGEST_WAIT:
            return
        why = run.waiting.reason if run.waiting else "nothing is due"
        msg = (
            f"{self._scenario.name}: no round could be planned for {_LONGEST_WAIT.days} days from "
            f"{self._moved_at:%Y-%m-%d %H:%M} on ({why}), so the simulation was stopped. Lower the "
            "quorum, raise the gate's ceiling or threshold, or give the run hours."
        )
        raise SettingError(msg)
