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
from scheduler.rounds.progress import stands_still


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
            look_at, arrival = _next_look(run, clock, arrivals.next_change), arrivals.next_arrival
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
            if stands_still(world.history.state, run, clock.wall()):
                break
        engine.advance()


def _none_began_before(run: Run, until: datetime) -> bool:
    return run.open_round is None or run.open_round.grid_planned_at >= until


def _next_look(run: Run, clock: VirtualClock, next_change: datetime | None) -> datetime:
    """Return when to look around next, whatever the sites answer."""
    now, spec = clock.now, run.spec
    times = [slot_start(now) + HOUR, next_change]
    if run.open_round is not None:
        times.append(clock.grid_at(run.open_round.deadline))
    else:
        times.append(run.due_at)
    if spec.hours is not None:
        times.append(run.grid_started_at + timedelta(hours=spec.hours))
    return min(time for time in times if time is not None and time > now)
