"""When work was done, on the coordinator's clock: a site's own clock may be wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock
from common.messages import Receipt
from scheduler.federation.federation import Federation


@dataclass(frozen=True, slots=True)
class WorkTime:
    """When one piece of work was done, as the coordinator knows it.

    Attributes:
        started_at: When it began, wall clock.
        grid_started_at: The same on the grid clock.
        grid_ended_at: When it was done, grid clock; never before the start.
        ended_at: When it was done, wall clock.
        ahead: How far the site's clock seems to be ahead: by so much its times were moved.
        within: From the issue of the assignment to now, wall clock.
    """

    started_at: datetime
    grid_started_at: datetime
    grid_ended_at: datetime
    ended_at: datetime
    ahead: timedelta
    within: timedelta


def work_time(state: Federation, clock: Clock, receipt: Receipt) -> WorkTime:
    """Return when the work of a receipt was done: after its issue, and before its arrival.

    The site's times are corrected by how far its clock is known to be ahead. What still lies
    outside is moved inside as a whole, so that it stays as long as it was.

    Args:
        state: Before the event.
        clock: The coordinator's; the receipt has just arrived.
        receipt: The site's answer. Its work is as long as the site measured it, on its own clock.
    """
    run, now = state.runs[receipt.run], clock.wall()
    known = timedelta(seconds=state.clients[receipt.client].clock_ahead_s)
    open_round = run.open_round
    part = open_round.part(receipt.client, receipt.round) if open_round is not None else None
    if open_round is not None and (part is not None or open_round.number == receipt.round):
        issued_at = part.invited_at if part else open_round.planned_at
        grid_issued_at = clock.grid_at(issued_at)
    else:
        closed = run.closed.find(receipt.round)
        issued_at = run.started_at
        grid_issued_at = closed.started if closed else run.grid_started_at
    started_at, ended_at = _inside(
        receipt.started_at - known, receipt.ended_at - known, first=issued_at, last=now
    )
    grid_started_at, grid_ended_at = _inside(
        clock.grid_at(started_at), clock.grid_at(ended_at), first=grid_issued_at,
        last=clock.grid_at(now),
    )  # fmt: skip
    ahead = receipt.ended_at - ended_at
    within = max(now - issued_at, timedelta(0))
    return WorkTime(started_at, grid_started_at, grid_ended_at, ended_at, ahead, within)


def _inside(
    start: datetime, end: datetime, *, first: datetime, last: datetime
) -> tuple[datetime, datetime]:
    """Move a span inside others, as little as possible; one that is too long is cut."""
    # A clock that was set back may let an answer arrive before it was issued.
    last = max(first, last)
    length = min(max(end - start, timedelta(0)), last - first)
    start = min(max(start, first), last - length)
    return start, start + length
