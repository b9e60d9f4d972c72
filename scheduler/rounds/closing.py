"""Closing a round: its manifest is committed, and summed into the next version."""

from __future__ import annotations

import time

from common.failpoints import failpoint
from common.messages import Timings
from scheduler.federation.federation import Federation
from scheduler.federation.round import Round
from scheduler.ledger.event import Draft
from scheduler.rounds.payloads import round_closed, round_committed
from scheduler.rounds.progress import is_complete
from scheduler.rounds.world import World


def close(world: World, run_id: str) -> None:
    """Close a run's open round if it has all it waits for.

    Safe to run twice and at once: the manifest is committed once, the version is a pure function
    of it, and publishing the version is one transaction.
    """
    begun = time.perf_counter()
    round_ = _committed(world, run_id)
    if round_ is None:
        return
    failpoint("round.committed")
    run, state = world.run(run_id), world.history.state
    made = world.learning.make(run, round_)
    failpoint("round.summed")
    # What counts is fixed since the manifest was committed, so this is worked out unlocked.
    payload = round_closed(
        state, run, round_, world.grid, grid_now=world.clock.grid(), version=made.version,
        server_state=made.server_state,
        phases=_phases(round_) | {"close_s": time.perf_counter() - begun},
    )  # fmt: skip

    def closed(state: Federation) -> list[Draft]:
        current = state.runs[run_id].open_round
        if current is None or current.number != round_.number:
            return []
        return [Draft(payload, run=run_id, round=round_.number)]

    if world.record(closed):
        world.learning.published(round_)


def _committed(world: World, run_id: str) -> Round | None:
    """Return the open round with its manifest committed, or `None` if it is not complete."""

    def committed(state: Federation) -> list[Draft]:
        run = state.runs[run_id]
        if run.open_round is None or run.open_round.manifest is not None:
            return []
        if run.open_round.evaluates or not is_complete(state, run, world.clock.wall()):
            return []
        return [Draft(round_committed(run.open_round), run=run_id, round=run.open_round.number)]

    world.record(committed)
    round_ = world.run(run_id).open_round
    return round_ if round_ is not None and round_.manifest is not None else None


def _phases(round_: Round) -> dict[str, float | None]:
    """Return where the round's wall seconds went; site phases are of the slowest client."""
    updates = list(round_.accepted.values())
    phases: dict[str, float | None] = {
        name: max((getattr(update.timings, name) for update in updates), default=0.0)
        for name in Timings.model_fields
    }
    accept_s = [update.accept_s for update in updates]
    return phases | {"accept_s": max(accept_s, default=0.0), "accept_total_s": sum(accept_s)}
