"""The engine: what a run does next, written once for production, simulations and forecasts.

A run goes round by round: plan a cohort, send assignments, receive updates, close the round into
the next version, score it. `Engine.advance` takes every run as far as it can go at this instant;
`Engine.receive` takes one answer in between. Both may run twice, at any time, in any process: what
was done is read from the history, and nothing else is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from common.errors import ends_process
from common.messages import Receipt
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Payload, Step
from scheduler.ledger.events.assignment import ReissueCode
from scheduler.rounds import closing, collection, ending, opening, planning, receiving, scoring
from scheduler.rounds.blocking import block, unblock
from scheduler.rounds.observations import gate_events
from scheduler.rounds.world import World
from scheduler.selection.situation import judge_gates

STEPS: dict[Step, Callable[[World, str], bool | None]] = {
    # The first version is made.
    "open": opening.open_run,
    # What was lost is issued again, what is overdue is given up.
    "collect": collection.collect,
    # A round that has all it waits for becomes the next version.
    "close": closing.close,
    # The next round is planned and sent before anything is scored: sites train meanwhile. A paused
    # run plans none.
    "plan": planning.plan,
    # A run that a score may end is scored before it plans: nobody trains for nothing.
    "score": scoring.score,
    # A run whose budget is spent ends, once its last version is scored.
    "end": ending.end,
}
"""The round loop, in order: each takes one run one step further, or does nothing.

`False` means that it could not be tried: whether it would fail is open.
"""

_SCORED_FIRST: tuple[Step, ...] = ("open", "collect", "close", "score", "plan", "end")
"""The order of the steps of a run that a score may end."""

_RETRIES: dict[Step, Step] = {"receive": "collect", "send": "collect"}
"""The step that sends again, which is tried again in place of others."""

_SHORTEST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)


class Engine:
    """Drives all runs of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._tried: dict[str, datetime] = {}

    def advance(self) -> None:
        """Take every run as far as it can go now, those that waited longest for a plan first."""
        self.world.absence.look(self.world.clock.wall())
        # A stop is obeyed first, whatever else fails.
        for run in self.world.history.state.active_runs():
            ending.stop(self.world, run.id)
        self.observe()
        for step, scored_first in zip(STEPS, _SCORED_FIRST, strict=True):
            self._each_run(step, scored_first)

    def observe(self) -> None:
        """Record what has changed outside: clients that came or went, readings, gates."""
        world = self.world

        def seen(state: Federation) -> list[Draft]:
            now, clients = world.clock.grid(), state.clients
            gates = judge_gates(state, clients.values(), world.grid, world.rules.gate, now)
            return [*world.work.observe(state), *gate_events(clients, gates, now)]

        world.record(seen)

    def receive(self, receipt: Receipt) -> Payload | None:
        """Take one receipt: count its update, or record why not.

        Returns:
            What it made known, `None` if nothing: it is of no assignment, or is to be sent again.
        """
        run_id = receipt.run
        try:
            made = receiving.receive(self.world, receipt)
        except (Exception, SystemExit) as error:
            if ends_process(error) or run_id not in self.world.history.state.runs:
                raise
            self._block(run_id, "receive", error)
            return None
        run = self.world.history.state.runs.get(run_id)
        if run is not None and run.blocked is not None and run.blocked.step == "receive":
            self._unblock(run_id)
        return made

    def reissue(self, run_id: str, clients: Sequence[str], code: ReissueCode) -> None:
        """Issue the open assignments of these clients again, or give them up.

        Where they cannot be sent, the run is blocked until they are.
        """
        collection.reissue(self.world, run_id, clients, code)

    def _each_run(self, usual: Step, scored_first: Step) -> None:
        """Let every run that is not over take one step; a run that raises is blocked, alone."""
        for run in self.world.history.state.active_runs():
            step = scored_first if run.spec.ends_by_score else usual
            blocked = run.blocked
            if blocked is not None:
                # A blocked run takes no step but the one that failed.
                if _RETRIES.get(blocked.step, blocked.step) != step:
                    continue
                if not self._may_retry(run.id, blocked.since):
                    continue
                self._tried[run.id] = self.world.clock.wall()
            try:
                tried = STEPS[step](self.world, run.id)
            # One run's trouble is never another's, also where user code calls `sys.exit`.
            except (Exception, SystemExit) as error:
                if ends_process(error):
                    raise
                self._block(run.id, step, error)
            else:
                if blocked is not None and tried is not False:
                    self._unblock_after(run.id, step)

    def _may_retry(self, run_id: str, since: datetime) -> bool:
        """Return whether a blocked run is tried again: each pause is as long as all before it."""
        tried = self._tried.get(run_id)
        if tried is None:
            return True
        pause = min(max(tried - since, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        # A clock that was set back holds nobody up: what is said to be yet to come is over.
        return not timedelta(0) <= self.world.clock.wall() - tried < pause

    def _block(self, run_id: str, step: Step, error: Exception | SystemExit) -> None:
        self._tried[run_id] = self.world.clock.wall()
        block(self.world, run_id, step, error)

    def _unblock_after(self, run_id: str, step: Step) -> None:
        """Unblock a run if the step that it has just taken shows that it can go on."""
        run = self.world.run(run_id)
        if run.blocked is None:
            return
        # A receipt that failed may never come again: where nobody is left who could answer, the
        # round goes on with what it has.
        answered = run.open_round is None or not run.open_round.open_assignments()
        retried = step == _RETRIES.get(run.blocked.step, run.blocked.step)
        if retried and (run.blocked.step != "receive" or answered):
            self._unblock(run_id)

    def _unblock(self, run_id: str) -> None:
        self._tried.pop(run_id, None)
        unblock(self.world, run_id)
