"""Planning: a run's next round, more clients for its open one, or the score of its last version."""

from __future__ import annotations

from common.failpoints import failpoint
from scheduler.federation.federation import Federation, Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RoundPlanned, WaitReason
from scheduler.rounds.collection import send
from scheduler.rounds.ending import spent_budget
from scheduler.rounds.opening import check_sites_metric
from scheduler.rounds.payloads import round_planned
from scheduler.rounds.progress import is_due, run_waiting, waiting_events, wants_last_score
from scheduler.rounds.world import World
from scheduler.selection.plan import Plan, plan_round, plan_scoring
from scheduler.selection.situation import make_situation


def plan(world: World, run_id: str) -> bool:
    """Plan what is due for a run and send its assignments, or record why it waits.

    The policy runs while nothing is locked. Where something was appended meanwhile, the plan is
    made again, unless it still fits: so that a slow policy in a busy federation ends, too.

    Raises:
        WorkloadError: If its sites score its versions, and none reports the run's metric.

    Returns:
        `False` if the run is paused, or too few clients are free for the policy to be called, so
        that one that failed may still fail.
    """
    check_sites_metric(world.run(run_id))
    while (planned := _planned(world, run_id)) is None:
        pass
    waiting, drafts = planned
    for draft in drafts:
        if isinstance(draft.payload, RoundPlanned):
            failpoint("round.planned")
            send(world, run_id, draft.payload.cohort)
    return waiting != "too_few" and not world.run(run_id).paused


def _planned(world: World, run_id: str) -> tuple[WaitReason | None, list[Draft]] | None:
    """Plan once and record it.

    Returns:
        Why the run waits, and what was recorded: nothing if nothing is due. `None` if it is to be
        planned again.
    """
    state = world.history.state
    run, now = state.runs[run_id], world.clock.grid()
    last_score = run.round_under_way is None and wants_last_score(run, now)
    due = last_score or is_due(run, state.clients, now)
    if not due or run.paused or spent_budget(run, now) is not None:
        return None, []
    seq, planned_seq, so_far = state.seq, run.last_planned_seq, run.round_under_way
    situation = make_situation(
        state, run, world.grid, world.rules.gate, now, wall_now=world.clock.wall(),
        weights=world.rules.weights, stagger=world.rules.stagger,
    )  # fmt: skip
    number = so_far.number if so_far else len(run.closed) + 1
    if last_score:
        made = plan_scoring(situation, run.closed[-1])
    else:
        made = plan_round(run.spec, situation, number=number, so_far=so_far)
    drafts = _drafts(world, run, made, number=number, scores=last_score)
    while drafts and not world.history.append(*drafts, after=seq):
        state = world.history.state
        run = state.runs[run_id]
        # Another process may have planned the same, and its clients may be free again by now.
        if run.last_planned_seq != planned_seq or not _fits(state, run_id, made, number):
            return None
        seq = state.seq
        if not made.cohort:
            drafts = waiting_events(run, run_waiting(made, now))
    return made.waiting, drafts


def _drafts(world: World, run: Run, made: Plan, *, number: int, scores: bool) -> list[Draft]:
    if not made.cohort:
        return waiting_events(run, run_waiting(made, world.clock.grid()))
    payload = round_planned(
        run, made, valid_until=world.clock.grid() + world.rules.valid,
        evaluates=scores, verdicts=world.history.keep_verdicts(made.verdicts),
    )  # fmt: skip
    return [Draft(payload, run=run.id, round=number)]


def _fits(state: Federation, run_id: str, made: Plan, number: int) -> bool:
    """Return whether a plan made a moment ago still holds: its clients are there and free."""
    run = state.runs[run_id]
    if run.ended_at is not None or run.stop_requested or run.paused:
        return False
    if run.blocked is not None and run.blocked.step != "plan":
        return False
    if number != (run.open_round.number if run.open_round else len(run.closed) + 1):
        return False
    if made.waiting == "too_few":
        return False  # there may be enough of them now; no policy has to be called to see
    busy = {part.client for part in state.open_assignments()}
    clients = [state.clients[name] for name in made.cohort]
    return all(
        c.alive and not c.retired and c.id not in busy and c.gate is not None and c.gate.is_open
        for c in clients
    )
