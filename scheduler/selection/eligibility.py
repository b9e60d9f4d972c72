"""Eligibility: whether what a client did in a run keeps it from being invited. No arrays here.

Plans, `plan --run`, `clients`, `status` and the page all take it from here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from scheduler.federation.client import Client
from scheduler.federation.problem import Problem
from scheduler.federation.round import AssignmentState

MANY_FAILURES = 3
"""From so many failures in a row on, a client counts as ``failing``."""

_SOON = ("too_late", "awaits_approval")
"""Codes of declines that say nothing of this hour: the site may accept in a moment."""

HoldCode = Literal["declined", "failing", "failed", "too_long", "overdue", "undelivered"]


def hold(
    client: Client, problem: Problem | None, *, now: datetime, wall_now: datetime
) -> HoldCode | None:
    """Return why a client is left out for a while; `None` if it may be invited.

    It backs off from its newest problem in the run, whatever that was, and longer each time. None
    of these lasts for ever. A restart of its worker ends it at once, and so does another site
    policy after a decline.

    Args:
        client: Who.
        problem: Its newest in the run; `None` if it had none.
        now: On the grid clock.
        wall_now: On the wall clock.
    """
    if declines(client, now):
        return "declined"
    if problem is None or not problem.holds(wall_now):
        return None
    if problem.kind == "decline":
        return "declined"
    if problem.kind != "failure":
        return problem.kind
    if problem.reason is not None and problem.reason.code == "too_long":
        return "too_long"
    return "failing" if problem.count >= MANY_FAILURES else "failed"


def declines(client: Client, now: datetime) -> bool:
    """Return whether a client's site has declined until a time that has not come, grid clock."""
    until = client.decline.not_before if client.decline else None
    return until is not None and now < until


def part_code(part: AssignmentState, now: datetime) -> Literal["in_round", "declined"] | None:
    """Return why a client that takes part in the round is not invited again; `None` if it may be.

    A site that declined for reasons of its own may be invited again when the hour of its assignment
    is over, by the grid clock; one that failed, waits for an approval or has another policy since,
    once it has backed off.
    """
    if part.status in ("open", "accepted"):
        return "in_round"
    soon = part.reason is not None and part.reason.code in _SOON
    meant_it = part.status == "declined" and not soon and not part.allowed_again
    return "declined" if meant_it and now <= part.valid_until else None
