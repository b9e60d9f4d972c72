"""Eligibility: whether what a client did in a run keeps it from being invited. No arrays here."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from scheduler.federation.client import Client
from scheduler.federation.round import AssignmentState, Round

MAX_FAILURES = 3
"""A client whose last three assignments of a run failed is left out until its worker restarts."""


def declines(client: Client, now: datetime) -> bool:
    """Return whether a client's site has declined until a time that has not come."""
    until = client.decline.not_before if client.decline else None
    return until is not None and now < until


def part_code(
    client: Client, part: AssignmentState, so_far: Round, now: datetime
) -> Literal["in_round", "failed", "declined"] | None:
    """Return why a client that takes part in the round is not invited again; `None` if it may be.

    A site that declined for reasons of its own may be invited again when the hour of its assignment
    is over; one that failed, when its worker was restarted.
    """
    if part.status in ("open", "accepted"):
        return "in_round"
    if part.status in ("failed", "refused"):
        return "failed" if part.incarnation == client.incarnation else None
    meant_it = part.status == "declined" and (part.reason is None or part.reason.code != "too_late")
    return "declined" if meant_it and now <= so_far.valid_until else None
