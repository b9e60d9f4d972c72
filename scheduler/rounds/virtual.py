"""Virtual time: lets one run go on from instant to instant, in a simulation or a forecast."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from common.clock import VirtualClock
from common.errors import SettingError
from common.messages import Receipt
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.run import Run
from scheduler.rounds.engine import Engine
from scheduler.rounds.progress import deadline_of, stands_still
from scheduler.rounds.world import World
from scheduler.selection.stagger import starts_to_come


class Arrivals(Protocol):
    """What is on its way from virtual sites. All times are on the grid clock."""

    @property
    def next_arrival(self) -> datetime | None:
        """When the next receipt arrives, `None` if none is on its way."""

    @property
    def next_change(self) -> datetime | None:
        """When a site comes or goes next, `None` if none ever does."""

    def arrive(self) -> Receipt:
        """Return the receipt that arrives next, as it then is."""


def follow(
    engine: Engine,
    run_id: str,
    arrivals: Arrivals,
    *,
    clock: VirtualClock,
    until: datetime | None = None,
) -> Iterator[None]:
    """Let time pass until a run is over, or until an instant.

    Args:
        engine: Of a world under `clock`.
        run_id: The run.
        arrivals: What its sites send.
        clock: Moved by this alone.
        until: Where to stop, on the grid clock, once rounds that began before are closed; `None`
            for the run's end.

    Yields:
        After every step of the engine.

    Raises:
        SettingError: If the run is blocked: no later time would change that here.
    """
    world = engine.world
    engine.advance()
    while True:
        run = world.run(run_id)
        if run.blocked is not None:
            raise SettingError(run.blocked.text)
        yield
        if run.ended_at is not None:
            return
        while True:
            look_at, arrival = _next_look(world, run, arrivals.next_change), arrivals.next_arrival
            arrives = arrival is not None and arrival <= look_at
            then = max(clock.now, arrival) if arrival is not None and arrives else look_at
            if until is not None and then >= until and _none_began_before(run, until):
                clock.now = until
                return
            clock.now = then
            if not arrives:
                break
            engine.receive(arrivals.arrive())
            run = world.run(run_id)
            if stands_still(world.history.state, run, clock.wall(), grid_now=clock.now):
                break
        engine.advance()


def _none_began_before(run: Run, until: datetime) -> bool:
    round_ = run.round_under_way
    if round_ is None or round_.grid_planned_at >= until:
        return True
    # A buffer may wait for long: what counts is who trains.
    return run.spec.is_async and not round_.open_assignments()


def _next_look(world: World, run: Run, next_change: datetime | None) -> datetime:
    """Return when to look around next, whatever the sites answer."""
    clock, spec = world.clock, run.spec
    now = clock.grid()
    times = [slot_start(now) + HOUR, next_change]
    if (round_ := run.open_round) is not None:
        deadlines = {round_.deadline}
        if spec.is_async:  # each assignment has a deadline of its own
            deadlines |= {deadline_of(run, round_, part) for part in round_.open_assignments()}
        times += [clock.grid_at(deadline) for deadline in deadlines]
    if run.round_under_way is None:
        times.append(run.due_at)
    # Clients that back off may be invited again.
    times += [clock.grid_at(problem.until) for problem in run.problems.values()]
    if spec.is_async:
        clients, stagger = world.history.state.enrolled(), world.rules.stagger
        times += starts_to_come(run, clients, now, stagger).values()
    if spec.hours is not None:
        times.append(run.grid_started_at + timedelta(hours=spec.hours))
    return min(time for time in times if time is not None and time > now)
