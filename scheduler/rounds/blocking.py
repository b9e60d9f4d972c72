"""Blocking: a step of a run failed here, at the coordinator, and the run waits for its repair."""

from __future__ import annotations

from common.errors import FairwindError, describe
from common.log import get_logger
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunBlocked, RunUnblocked, Step
from scheduler.rounds.world import World

_log = get_logger(__name__)


def block(world: World, run_id: str, step: Step, error: Exception | SystemExit) -> None:
    """Record that a step of a run failed, once per change of the text, and log its traceback."""
    text = str(error) if isinstance(error, FairwindError) else _unexpected(error)

    def blocked(state: Federation) -> list[Draft]:
        run = state.runs[run_id]
        known = run.blocked is not None and (run.blocked.step, run.blocked.text) == (step, text)
        if run.ended_at is not None or known:
            return []
        return [Draft(RunBlocked(step=step, text=text), run=run_id)]

    raised = error.__cause__ if isinstance(error, FairwindError) else error
    if world.record(blocked) and raised is not None:
        _log.error("run.blocked", run=run_id, step=step, exc_info=raised)


def unblock(world: World, run_id: str) -> None:
    """Record that a run goes on."""

    def unblocked(state: Federation) -> list[Draft]:
        run = state.runs[run_id]
        # A run that is to stop takes no step more: that none failed says nothing.
        if run.ended_at is not None or run.blocked is None or run.stop_requested:
            return []
        return [Draft(RunUnblocked(), run=run_id)]

    world.record(unblocked)


def _unexpected(error: Exception | SystemExit) -> str:
    return (
        f"{describe(error)}. Remove the cause, which the coordinator's log "
        "shows with its traceback; then the run goes on by itself."
    )
