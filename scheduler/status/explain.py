"""Explaining a run: a pure function of the federation, the time and the drivers' signs of life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.gate.gate import Gate
from scheduler.ledger.events import Step
from scheduler.status.blocker import find_blockers
from scheduler.status.drivers import UNSEEN, Drivers
from scheduler.status.explanation import Explanation
from scheduler.status.standing import idle, under_way, waits
from scheduler.status.which_run import START_A_RUN


def explain_run(
    state: Federation,
    run: Run | None,
    *,
    now: datetime,
    wall_now: datetime,
    drivers: Drivers = UNSEEN,
    gates: Mapping[str, Gate] | None = None,
) -> Explanation:
    """Return what a run does now, and why not more.

    Args:
        state: The federation.
        run: Which run; `None` if there is none.
        now: The time on the grid clock, aware.
        wall_now: The same instant on the wall clock.
        drivers: When coordinator, beat and Redis were last seen.
        gates: Each client's gate as judged now; those of the ledger if left out.
    """
    blockers = find_blockers(state, run, now=now, wall_now=wall_now, gates=gates)
    if run is None:
        start = (
            f"No run yet. {START_A_RUN}"
            if state.enrolled()
            else "No client is enrolled yet. Enrol one: fairwind enroll CLIENT --zone ZONE"
        )
        return Explanation("no_run", start, blockers=blockers)
    found = (
        _ended(run)
        or _undriven(drivers)
        or _takes_no_step(run, drivers)
        or under_way(state, run, blockers)
        or idle(state, run, blockers, now=now, drivers=drivers)
        or waits(state, run, blockers)
    )
    return replace(found, blockers=blockers)


def _ended(run: Run) -> Explanation | None:
    if run.ended_at is None:
        return None
    reason = _end_reason(run)
    return Explanation("ended", f"{run.id} has ended: {reason}. {run.end_text}".rstrip())


def _end_reason(run: Run) -> str:
    """Return why a run ended, with the goal or the patience that it was started with."""
    reason, spec = run.end_reason or "rounds", run.spec
    if reason == "reached":
        return f"it reached its goal, {spec.stop_when}"
    if reason == "no_progress":
        return f"no version became better in time (--patience-rounds {spec.patience_rounds})"
    return END_REASONS[reason]


def _undriven(drivers: Drivers) -> Explanation | None:
    """Return why no run at all goes on: nothing takes its steps."""
    if drivers.fault:
        return Explanation("redis_unusable", drivers.fault)
    if drivers.coordinator.is_missing:
        return Explanation("coordinator_missing", drivers.coordinator.sentence())
    return None


def _takes_no_step(run: Run, drivers: Drivers) -> Explanation | None:
    """Return why this run takes no step of its round, `None` if it does."""
    if run.stop_requested:
        return Explanation("stopping", f"{run.id} is about to stop.")
    if run.blocked is not None:
        text = f"{blocked_sentence(run)} To end the run instead: fairwind run stop {run.id}"
        return Explanation("blocked", text)
    if run.paused:
        return Explanation("paused", _paused(run))
    if run.version is None:
        command = (
            "" if drivers.looked else f" It needs a coordinator: {drivers.coordinator.command}"
        )
        return Explanation("starting", f"{run.id} starts: its first version is made.{command}")
    return None


def _paused(run: Run) -> str:
    round_, command = run.round_under_way, f"To go on: fairwind run resume {run.id}"
    if round_ is None:
        return f"{run.id} is paused, so no round starts. {command}"
    if run.spec.is_async and not round_.evaluates:
        out = "Those that train finish; then" if round_.open_assignments() else "So"
        return f"{run.id} is paused. {out} no client is invited. {command}"
    doing = "Its last version is" if round_.evaluates else f"Round {round_.number} is"
    done = "scored" if round_.evaluates else "finished"
    return f"{run.id} is paused. {doing} still being {done}; then no round starts. {command}"


def blocked_sentence(run: Run) -> str:
    """Return which step of a blocked run fails, and why."""
    assert run.blocked is not None  # noqa: S101 - the caller looked
    return f"{run.id} is blocked, as {_STEPS[run.blocked.step]} fails: {run.blocked.text}"


END_REASONS: Mapping[str, str] = {
    "rounds": "all its rounds are done",
    "hours": "its time is over",
    "grams": "its gram budget is spent",
    "reached": "its goal is reached",
    "no_progress": "no version became better in time (--patience-rounds)",
    "stopped": "it was stopped",
}
"""Why a run ended, as a sentence has it."""

_STEPS: Mapping[Step, str] = {
    "open": "making its first version",
    "collect": "issuing its assignments again",
    "receive": "receiving its updates",
    "close": "closing its round",
    "plan": "planning its next round",
    "send": "sending its assignments",
    "score": "scoring its newest version",
    "end": "exporting its models",
}
