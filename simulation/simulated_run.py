"""A simulated run: the engine under virtual time, and what is seen of it beside the run itself."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from common.clock import VirtualClock
from common.errors import SettingError
from common.settings.carbon import GateSettings
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from scheduler.federation.run import Pause
from scheduler.gate.gate import GateRule
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, RoundClosed, RoundPlanned, RunStarted
from scheduler.rounds.engine import Engine
from scheduler.rounds.observations import grid_events
from scheduler.rounds.virtual import follow
from scheduler.rounds.world import Rules, World
from scheduler.selection.score_weights import score_weights
from simulation.grids.grid import VirtualGrid
from simulation.ports.availability import Availability
from simulation.ports.history import SimulatedHistory
from simulation.ports.journal import Journal
from simulation.ports.learner import Learner
from simulation.ports.pauses import UserPauses
from simulation.ports.site import VirtualSite
from simulation.ports.waiting import Idle, Waiting
from simulation.ports.work import VirtualWork
from simulation.scenario.scenario import Scenario

_LONGEST_WAIT = timedelta(days=90)
"""A run in which nothing happened for so long never goes on."""

_MAX_ATTEMPTS = 3

_STAGGER = timedelta(minutes=59)

_NETWORK_KWH_PER_GB = float(GateSettings.model_fields["network_kwh_per_gb"].default)


@dataclass(slots=True)
class SeenRound:
    """What is seen of a round that the run does not keep: see `RoundOutcome`."""

    invited: int = 0
    spent_gco2eq: float = 0.0
    counted_gco2eq: float = 0.0
    idle_gco2eq: float | None = 0.0


class SimulatedRun:
    """Takes a run from its start to its end. All decisions are the engine's.

    Args:
        scenario: What is simulated.
        sites: By client id, in the order in which they enrol.
        examples: How many examples each client has.
        grid: Under `clock`.
        clock: Moved by the run.
        learner: Trains and makes versions.
        journal: Takes what happens.
        rule: When gates open and close.
        pauses: Those that the user gives the run.
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
        pauses: Sequence[Pause] = (),
    ) -> None:
        self._scenario, self._sites, self._grid, self._clock = scenario, sites, grid, clock
        self.learner = learner
        self.examples = examples
        self.decisions = hashlib.sha256()
        self.seen: dict[int, SeenRound] = defaultdict(SeenRound)
        self.idle = Idle()
        self._moved_at = clock.now
        self._waiting = Waiting(sites, grid, clock.now)
        self._work = VirtualWork(
            sites, examples, availability=Availability(sites, clock.now),
            pauses=UserPauses(scenario.run.id, pauses), learner=learner,
            clock=clock, journal=journal,
            readings=self._readings if journal.keeps else None,
        )  # fmt: skip
        self._world = World(
            history=SimulatedHistory(journal, clock, self._see),
            work=self._work, learning=learner, grid=grid, clock=clock,
            rules=Rules(
                gate=rule, weights=score_weights({}),
                valid=timedelta(hours=scenario.gate.valid_h),
                max_attempts=_MAX_ATTEMPTS, network_kwh_per_gb=_NETWORK_KWH_PER_GB,
                stagger=_STAGGER,
            ),
        )  # fmt: skip

    @property
    def run(self) -> Run:
        """The run as of the last event."""
        return self._world.run(self._scenario.run.id)

    def follow(self) -> Iterator[ClosedRound]:
        """Let time pass until the run is over and every site has answered.

        Yields:
            Every closed round, in order.

        Raises:
            SettingError: If nothing happens any more, or the run is blocked.
        """
        self._begin()
        engine, done = Engine(self._world), 0
        for _ in follow(engine, self._scenario.run.id, self._work, clock=self._clock):
            yield from self.run.closed[done:]
            done = len(self.run.closed)
            self._refuse_standstill()
        ended = self._clock.now
        self.idle = self._waiting.until(ended)
        while (arrival := self._work.next_arrival) is not None:
            self._clock.now = max(self._clock.now, arrival)
            engine.receive(self._work.arrive())
        self._clock.now = ended

    def _begin(self) -> None:
        enrolled = [
            Draft(
                ClientEnrolled(zone=site.zone, num_examples=site.part.num_examples),
                client=site.id,
            )
            for site in self._sites.values()
        ]  # fmt: skip
        started = Draft(RunStarted(spec=self._scenario.run), run=self._scenario.run.id)
        history = self._world.history
        history.append(*enrolled, started, after=history.state.seq)

    def _readings(self, state: Federation) -> list[Draft]:
        now = self._clock.now
        return grid_events(
            state, {zone: self._grid.zone(zone, now) for zone in self._scenario.zones}
        )

    def _see(self, draft: Draft) -> None:
        """Keep what the run does not."""
        seen = self.seen[draft.round]
        planned = draft.payload
        if isinstance(planned, RoundPlanned) and not planned.evaluates:
            self._moved_at, cohort = self._clock.now, planned.cohort
            line = f"{draft.round} {self._moved_at.isoformat()} {','.join(cohort)}\n"
            self.decisions.update(line.encode())
            seen.invited += len(cohort)
        elif isinstance(draft.payload, RoundClosed):
            seen.spent_gco2eq = self.run.spent_gco2eq
            seen.counted_gco2eq = self.run.totals.counted_gco2eq
            seen.idle_gco2eq = self._waiting.until(self._clock.now).idle_gco2eq

    def _refuse_standstill(self) -> None:
        """Stop where production would wait for ever.

        Raises:
            SettingError: If no round was planned for a long time.
        """
        now, run = self._clock.now, self.run
        if run.paused:
            self._moved_at = now
        if run.ended_at is not None or now - self._moved_at < _LONGEST_WAIT:
            return
        why = run.waiting.reason if run.waiting else "nothing is due"
        msg = (
            f"{self._scenario.name}: no round could be planned for {_LONGEST_WAIT.days} days from "
            f"{self._moved_at:%Y-%m-%d %H:%M} on ({why}), so the simulation was stopped. Lower the "
            "quorum, raise the gate's ceiling or threshold, or give the run hours."
        )
        raise SettingError(msg)
