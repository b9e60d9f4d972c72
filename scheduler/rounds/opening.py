"""Opening a run: its first version."""

from __future__ import annotations

from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunOpened
from scheduler.rounds.world import World


def open_run(world: World, run_id: str) -> None:
    """Make the first version of a run that has none."""
    run = world.run(run_id)
    if run.version is not None:
        return
    first = world.learning.open(run)
    payload = RunOpened(
        version=first.version, num_params=first.num_params, scored_here=first.scored_here
    )

    def opened(state: Federation) -> list[Draft]:
        current = state.runs[run_id]
        if current.version is not None or current.ended_at is not None:
            return []
        return [Draft(payload, run=run_id)]

    world.record(opened)
