"""The forecast of a run: which rounds are expected when, with whom and why.

The engine itself goes on in a copy of the federation, under the forecast of each grid, with sites
that answer as they usually do. What cannot be foreseen is left out: clients that come or go, other
runs, and what is learned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from common.clock import GridClock, VirtualClock
from scheduler.accounting.book import Book
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.federation import Federation, Run
from scheduler.federation.fold import apply
from scheduler.ledger.event import Draft, Event
from scheduler.ledger.events import RoundClosed, RoundPlanned, RunWaiting
from scheduler.policies.policy import find_policy
from scheduler.policies.reason import Because, explain
from scheduler.rounds.engine import Engine
from scheduler.rounds.expected_work import ExpectedWork, NothingLearned
from scheduler.rounds.virtual import follow
from scheduler.rounds.world import Rules, World
from scheduler.selection.sentences import SENTENCES
from scheduler.selection.verdict import Verdicts

MOST = 500
"""Rounds that a forecast lists at most."""

_SCORED_LATE = 2
"""A version is scored at the latest when the one after it has been made."""


@dataclass(frozen=True, slots=True)
class ExpectedRound:
    """A round that is expected, or a span in which it waits. Times are on the grid clock.

    Attributes:
        number: The round's.
        start, end: When it is held, or waits.
        cohort: The clients invited; empty while it waits.
        zones: How many of them there are in each zone.
        waiting: The code of why it waits, one of `SENTENCES`; `None` if it is held.
        because: Why the policy chose so, where it says so.
        gco2eq: What the clients with experience are expected to emit; `None` if none has any.
        run_now_gco2eq: What the same work would emit with every round as early as can be; `None`
            where that is not known of all of them.
        running: Whether the round is under way already.
    """

    number: int
    start: datetime
    end: datetime
    cohort: tuple[str, ...] = ()
    zones: Mapping[str, int] = field(default_factory=dict)
    waiting: str | None = None
    because: Because = field(default_factory=dict)
    gco2eq: float | None = None
    run_now_gco2eq: float | None = None
    running: bool = False


def forecast_rounds(
    state: Federation,
    run: Run,
    grid: Grid,
    rules: Rules,
    now: datetime,
    *,
    hours: int,
    grid_clock: GridClock,
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[ExpectedRound]:
    """Return what is expected of a run from `now` on, in order.

    Args:
        state: The federation as it stands; it is not changed.
        run: One of its runs; of one that has ended nothing is expected.
        grid: Knows the forecasts as readings to come.
        rules: Those of the federation.
        now: On the grid clock.
        hours: How far ahead to look, the running hour included.
        grid_clock: How the wall clock follows from the grid clock.
        is_stopped: Called after every step; once it returns true, what was found until then counts.

    Raises:
        SettingError: If the run's policy cannot be found, or fails.
    """
    if run.ended_at is not None or run.stop_requested:
        return []
    copy, run = copied(state, run)
    run.baseline_at = now  # what is compared to begins now, too
    clock = VirtualClock(now, grid_clock)
    seen = _Seen(copy, clock)
    work = ExpectedWork(copy, clock)
    if run.open_round is not None:
        work.send(run, [part.client for part in run.open_round.open_assignments()])
    if run.round_under_way is not None and not run.round_under_way.evaluates:
        seen.held(run, running=True)
    world = World(
        history=seen, work=work, learning=NothingLearned(), grid=grid, clock=clock,
        rules=replace(rules, away_after=timedelta(0)),
    )  # fmt: skip
    end = slot_start(now) + hours * HOUR
    for _ in follow(Engine(world), run.id, work, clock=clock, until=end):
        if len(seen.rounds) >= MOST or is_stopped():
            break
    return seen.all_until(end)


def copied(state: Federation, run: Run) -> tuple[Federation, Run]:
    """Return what a forecast is made from, apart from the federation that goes on meanwhile."""
    clients = {c.id: replace(c, totals=replace(c.totals)) for c in state.enrolled()}
    closed = run.closed.copy()
    archive = closed.archive = closed.archive.apart()
    # The last rounds may get their scores, and only the copies of them.
    closed.recent[-_SCORED_LATE:] = map(replace, closed.recent[-_SCORED_LATE:])
    ours = replace(
        run, closed=closed, totals=replace(run.totals),
        work={client: replace(sums) for client, sums in run.work.items()},
        problems=dict(run.problems), memory=dict(run.memory), latest=dict(run.latest),
        site_scores=dict(run.site_scores), waiting=None, blocked=None,
    )  # fmt: skip
    if run.open_round is not None:
        cohort = {c: replace(part) for c, part in run.open_round.cohort.items() if c in clients}
        ours.open_round = replace(
            run.open_round,
            cohort=cohort,
            accepted=dict(run.open_round.accepted),
            early=dict(run.open_round.early),
        )
    book = Book(family=state.book.family)
    return Federation(state.seq, "", archive, clients, {run.id: ours}, book), ours


class _Seen:
    """The history of a forecast: a copy that is thrown away, and the rounds seen in it."""

    def __init__(self, state: Federation, clock: VirtualClock) -> None:
        self.state = state
        self.rounds: list[ExpectedRound] = []
        self._clock = clock
        self._is_over = True  # whether the last of them is known to its end

    def append(self, *drafts: Draft, after: int) -> bool:  # noqa: ARG002 - the port's
        """Fold drafts into the copy, which nobody else changes."""
        wall, grid = self._clock.wall(), self._clock.now
        for d in drafts:
            seq = self.state.seq + 1
            event = Event(seq, wall, grid, d.payload, d.run, d.round, d.client, "", "")
            apply(self.state, event)
            self._see(d)
        return True

    def keep_verdicts(self, verdicts: Verdicts) -> None:
        """Keep nothing: nobody reads them."""

    def _see(self, draft: Draft) -> None:
        match draft.payload:
            case RoundPlanned(evaluates=True):
                self._end_wait()
            case RoundPlanned():
                self._end_wait()
                self.held(self.state.runs[draft.run], running=False)
            case RunWaiting() as waiting:
                self._end_wait()
                self._wait(draft.round, waiting)
            case RoundClosed() as closed:
                self._close(draft, closed)
            case _:
                pass

    def held(self, run: Run, *, running: bool) -> None:
        """Note the open round; its end and its grams are known when it closes."""
        round_ = run.open_round
        assert round_ is not None  # noqa: S101 - it was just planned, or the caller looked
        zones = Counter(part.zone for part in round_.cohort.values())
        self._is_over = False
        start = self._clock.now if not running else round_.grid_planned_at
        last = self.rounds[-1] if self.rounds else None
        if last and last.number == round_.number and last.waiting is None:
            # More clients join a round that is short of its quorum.
            start, running = last.start, last.running
            self.rounds.pop()
        self.rounds.append(
            ExpectedRound(
                round_.number, start, start, tuple(round_.cohort), dict(zones),
                because=round_.because, running=running,
            )
        )  # fmt: skip

    def _wait(self, number: int, waits: RunWaiting) -> None:
        now, last = self._clock.now, self.rounds[-1] if self.rounds else None
        code = (waits.reason, waits.because.get("code"))
        if last and last.number == number and last.waiting is None and not self._is_over:
            return  # a buffer that is partly full: its span ends with its version
        self._is_over = False
        if last and last.end == now and (last.waiting, last.because.get("code")) == code:
            return
        self.rounds.append(
            ExpectedRound(number, now, now, waiting=waits.reason, because=waits.because)
        )

    def _end_wait(self) -> None:
        if self.rounds and self.rounds[-1].waiting is not None:
            self.rounds[-1] = replace(self.rounds[-1], end=self._clock.now)

    def _close(self, draft: Draft, closed: RoundClosed) -> None:
        made = self.state.runs[draft.run].closed[-1]
        bookings = self.state.book.counted_in(draft.run, made.issued)
        known = [b.gco2eq for b in bookings if b.gco2eq is not None]
        self._end_wait()
        self._is_over = True
        last = self.rounds[-1] if self.rounds else None
        if last is None or last.number != draft.round or last.waiting is not None:
            # An asynchronous run fills a buffer with what was issued before.
            last = ExpectedRound(draft.round, made.started, self._clock.now)
            self.rounds.append(last)
        zones = Counter(self.state.clients[client].zone for client in made.cohort)
        self.rounds[-1] = replace(
            last, end=self._clock.now, gco2eq=sum(known) if known else None,
            cohort=made.cohort if self._is_async(draft.run) else last.cohort,
            zones=dict(zones) if self._is_async(draft.run) else last.zones,
            run_now_gco2eq=closed.baseline_gco2eq if bookings else None,
        )  # fmt: skip

    def _is_async(self, run: str) -> bool:
        return self.state.runs[run].spec.is_async

    def all_until(self, end: datetime) -> list[ExpectedRound]:
        """Return the rounds; the last one, if it still waits or runs, ends there."""
        if self.rounds and not self._is_over and self.rounds[-1].end == self.rounds[-1].start:
            self.rounds[-1] = replace(self.rounds[-1], end=end)
        self._end_wait()
        return [each for each in self.rounds if each.start < end]


def why(expected: ExpectedRound, run: Run) -> str:
    """Return one sentence that says why a round is expected to be held, or to wait."""
    if expected.running:
        return "under way"
    said = explain(expected.because)
    if said and expected.waiting in {None, "policy_waits"}:
        return said
    if expected.waiting:
        return f"waits: {SENTENCES[expected.waiting]}"
    return f"{run.spec.policy} {find_policy(run.spec.policy).summary}"


def describe(expected: ExpectedRound, run: Run) -> dict[str, Any]:
    """Return an expected round as JSON can hold it; times are on the grid clock."""
    return {
        "round": expected.number,
        "start": expected.start.isoformat(),
        "end": expected.end.isoformat(),
        "cohort": list(expected.cohort),
        "zones": dict(expected.zones),
        "waiting": expected.waiting,
        "running": expected.running,
        "why": why(expected, run),
        "expected_gco2eq": expected.gco2eq,
        "run_now_gco2eq": expected.run_now_gco2eq,
    }
