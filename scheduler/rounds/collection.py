"""Collecting what is out: lost assignments are issued again, overdue ones given up."""

from __future__ import annotations

from collections.abc import Sequence

from common.messages import Reason
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import AssignmentGivenUp, AssignmentReissued
from scheduler.ledger.events.assignment import ReissueCode
from scheduler.rounds.progress import overdue
from scheduler.rounds.world import World


def collect(world: World, run_id: str) -> None:
    """Issue again what was lost; give up what is still out at the round's deadline."""
    round_ = world.run(run_id).open_round
    if round_ is None or round_.manifest is not None:
        return
    reissue(world, run_id, world.work.lost(world.run(run_id)), "lost")
    world.record(lambda state: overdue(state.runs[run_id], world.clock.wall()))


def reissue(world: World, run_id: str, clients: Sequence[str], code: ReissueCode) -> None:
    """Issue open assignments again, up to the rules' number of attempts; then give them up.

    Args:
        world: Where.
        run_id: The run.
        clients: Those with a part in its open round; others are passed over.
        code: Why, as the ledger keeps it.
    """
    if not clients:
        return
    drafts = world.record(
        lambda state: _again(state, run_id, clients, code, attempts=world.rules.max_attempts)
    )
    again = [draft.client for draft in drafts if isinstance(draft.payload, AssignmentReissued)]
    if again:
        world.work.send(world.run(run_id), again)


def _again(
    state: Federation, run_id: str, clients: Sequence[str], code: ReissueCode, *, attempts: int
) -> list[Draft]:
    round_ = state.runs[run_id].open_round
    if round_ is None:
        return []
    drafts = []
    for client in clients:
        part = round_.cohort.get(client)
        if part is None or part.status != "open":
            continue
        payload: AssignmentReissued | AssignmentGivenUp
        if part.attempt + 1 >= attempts:
            payload = _lost_too_often(part.attempt + 1)
        else:
            payload = AssignmentReissued(attempt=part.attempt + 1, code=code)
        drafts.append(Draft(payload, run=run_id, round=round_.number, client=client))
    return drafts


def _lost_too_often(attempts: int) -> AssignmentGivenUp:
    text = f"Issued {attempts} times and never answered."
    reason = Reason(code="lost_too_often", text=text)
    return AssignmentGivenUp(code="lost_too_often", reason=reason)
