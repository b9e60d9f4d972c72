"""Collecting what is out: lost assignments are issued again, overdue or stale ones given up.

A site answers for what was lost there. What the coordinator could not store, send or read, and what
Redis lost, never counts against a site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from common.errors import ends_process
from common.messages import Reason
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.event import Draft
from scheduler.ledger.events import AssignmentGivenUp, AssignmentReissued
from scheduler.ledger.events.assignment import AT_SITE, ReissueCode
from scheduler.rounds.blocking import block
from scheduler.rounds.progress import deadline_of
from scheduler.rounds.world import World


def collect(world: World, run_id: str) -> bool:
    """Issue again what was lost; give up what is still out at its deadline.

    Returns:
        `False` if assignments could not be sent.
    """
    run = world.run(run_id)
    if run.open_round is None or run.open_round.manifest is not None:
        return True
    world.record(lambda state: _overdue(world, state, state.runs[run_id]))
    if run.blocked is not None and run.blocked.step == "send":
        return _send(world, run_id, partial(world.work.send_missing, run))
    lost = world.work.lost(world.run(run_id))
    sent = [
        reissue(world, run_id, [client for client in lost if lost[client] == code], code)
        for code in dict.fromkeys(lost.values())
    ]
    return all(sent)


def send(world: World, run_id: str, clients: Sequence[str]) -> bool:
    """Send the assignments of these clients of a run's open round, and return whether that worked.

    Where it fails, the run is blocked until they are sent: nothing was lost at a site.
    """
    return _send(world, run_id, lambda: world.work.send(world.run(run_id), clients))


def _send(world: World, run_id: str, sending: Callable[[], None]) -> bool:
    try:
        sending()
    except Exception as error:
        if ends_process(error):
            raise
        block(world, run_id, "send", error)
        return False
    return True


def reissue(world: World, run_id: str, clients: Sequence[str], code: ReissueCode) -> bool:
    """Issue open assignments again, up to the rules' number of attempts; then give them up.

    Args:
        world: Where.
        run_id: The run.
        clients: Those with a part in its open round; others are passed over.
        code: Why, as the ledger keeps it.

    Returns:
        `False` if they could not be sent.
    """
    if not clients:
        return True
    drafts = world.record(lambda state: _again(world, state, run_id, clients, code))
    again = [draft.client for draft in drafts if isinstance(draft.payload, AssignmentReissued)]
    return send(world, run_id, again) if again else True


def _again(
    world: World, state: Federation, run_id: str, clients: Iterable[str], code: ReissueCode
) -> list[Draft]:
    run = state.runs[run_id]
    round_ = run.open_round
    if round_ is None:
        return []
    drafts = []
    for client in clients:
        part = round_.cohort.get(client)
        if part is not None and part.status == "open":
            excused = code in AT_SITE and _trouble(world, run, since=part.issued_at)
            payload = _next(part, "coordinator_failed" if excused else code, world)
            drafts.append(Draft(payload, run=run_id, round=part.round, client=client))
    return drafts


def _next(
    part: AssignmentState, code: ReissueCode, world: World
) -> AssignmentReissued | AssignmentGivenUp:
    """Return that an assignment is issued again, or given up as that was done often enough."""
    most = world.rules.max_attempts
    if code in AT_SITE and part.lost + 1 >= most:
        text = f"Issued {part.lost + 1} times and never answered."
        return AssignmentGivenUp(code="lost_too_often", reason=_reason("lost_too_often", text))
    if code in _ON_THE_WAY and part.undelivered + 1 >= most:
        text = _ON_THE_WAY[code].format(part.undelivered + 1)
        return AssignmentGivenUp(code="undelivered", reason=_reason(code, text))
    return AssignmentReissued(attempt=part.attempt + 1, code=code)


_ON_THE_WAY: dict[ReissueCode, str] = {
    "model_missing": "The model was missing each of the {} times that the site pulled it. Look at "
    "the memory of Redis, or whether coordinator and sites share the folder of FAIRWIND_TRANSPORT.",
    "model_altered": "The model's bytes were altered each of the {} times that the site pulled it. "
    "Change the passwords of Redis, and give each site a user of its own.",
    "bytes_missing": "Its update was sent {} times, and could not be received. Look at the memory "
    "of Redis, or whether coordinator and sites share the folder of FAIRWIND_TRANSPORT.",
    "redis_failed": "Redis was full, away or emptied each of the {} times that it was issued. Look "
    "at its memory and its log.",
}


def _overdue(world: World, state: Federation, run: Run) -> list[Draft]:
    """Return the events that give up what is still out when its deadline has passed.

    That is the round's; in an asynchronous run, each assignment has its own. What a revoked site
    answers does not count, so it is not waited for.
    """
    round_ = run.open_round
    if round_ is None or round_.manifest is not None:
        return []
    return [
        Draft(given_up, run.id, part.round, part.client)
        for part in round_.open_assignments()
        if (given_up := _given_up(world, state, run, round_, part)) is not None
    ]


def _given_up(
    world: World, state: Federation, run: Run, round_: Round, part: AssignmentState
) -> AssignmentGivenUp | None:
    if state.clients[part.client].revoked:
        reason = _reason("revoked", "The site was revoked: what it answers does not count.")
        return AssignmentGivenUp(code="revoked", reason=reason)
    due = deadline_of(run, round_, part)
    return _missed(world, run, part) if world.judges(due) >= due else None


def stale_events(run: Run, round_: Round) -> list[Draft]:
    """Return the events that give up what would be too old to count once a round has closed."""
    text = f"More than {run.spec.max_staleness} versions were made since it was issued."
    given_up = AssignmentGivenUp(code="stale", reason=_reason("stale", text))
    return [
        Draft(given_up, run.id, part.round, part.client)
        for part in round_.open_assignments()
        if run.spec.is_async and round_.number + 1 - part.round > run.spec.max_staleness
    ]


def _missed(world: World, run: Run, part: AssignmentState) -> AssignmentGivenUp:
    trouble = _trouble(world, run, since=part.invited_at)
    if trouble:
        text = f"The deadline passed {trouble}."
        return AssignmentGivenUp(code="undelivered", reason=_reason("undelivered", text))
    text = "No answer before the deadline."
    return AssignmentGivenUp(code="deadline", reason=_reason("deadline", text))


def _trouble(world: World, run: Run, *, since: datetime) -> str:
    """Return what was wrong at the coordinator since a time, wall clock; empty if nothing."""
    if run.blocked is not None or (run.unblocked_at and since <= run.unblocked_at):
        return "while the run was blocked"
    return "while the coordinator was away" if world.absence.was_after(since) else ""


def _reason(code: str, text: str) -> Reason:
    return Reason(code=code, text=text)
