"""What a receipt is worth: counted, or recorded and not counted, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from common.messages import Outcome, Receipt
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentEvaluated,
    AssignmentFailed,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
)

Worth = Literal["count", "settle", "late", "duplicate", "conflicting", "unknown"]
"""``count``: an update to admit. ``settle``: a decline, a failure or a score to record.
``unknown``: of a run, round or client without an assignment, or of one that has answered more often
than any site does; it is refused, and not recorded."""

_UNCOUNTED_OF_A_RUN = 32
_UNCOUNTED_OF_A_ROUND = 4
"""So many answers of one client that count for nothing are recorded: in any run, and for each of
its rounds. A site sends one for each issue of its assignment, and again after a restart."""


def worth(state: Federation, receipt: Receipt) -> Worth:
    """Return what a receipt is worth as of `state`.

    An update counts once per run, client and round that issued its assignment: the first wins. The
    same bytes again are a duplicate, other bytes are conflicting, and whatever comes after its
    assignment was given up, or after its round was committed, is late. Where a run lets them, an
    assignment moves on into the next round, and counts there.

    What counts for nothing is recorded so often only: no site can fill the ledger with answers.
    """
    run = state.runs.get(receipt.run)
    if run is None or receipt.client not in state.clients:
        return "unknown"
    value = _worth(state, run, receipt)
    if value not in ("late", "duplicate", "conflicting"):
        return value
    most = _UNCOUNTED_OF_A_RUN + _UNCOUNTED_OF_A_ROUND * len(run.closed)
    uncounted = state.book.spare_answers.get(receipt.run, {}).get(receipt.client, 0)
    return value if uncounted < most else "unknown"


def _worth(state: Federation, run: Run, receipt: Receipt) -> Worth:
    counted = _counted(state, receipt)
    if counted is not None:
        if receipt.update is None:
            return "late"
        return "duplicate" if receipt.update.sha256 == counted else "conflicting"
    open_round = run.open_round
    part = open_round.part(receipt.client, receipt.round) if open_round is not None else None
    if open_round is None or part is None or run.ended_at is not None:
        is_open = open_round is not None and open_round.number == receipt.round
        was_issued = receipt.round <= len(run.closed) + 1 and not is_open
        return "late" if was_issued or run.ended_at is not None else "unknown"
    done = part.status in ("refused", "failed", "declined", "evaluated")
    if done or _too_late(run, open_round, receipt) or not _fits(open_round, receipt):
        return "late"
    if receipt.outcome != "trained":
        return "settle" if part.status == "open" else "late"
    return "count"


Uncounted = (
    AssignmentEvaluated
    | AssignmentDeclined
    | AssignmentFailed
    | UpdateLate
    | UpdateDuplicate
    | UpdateConflicting
)
"""The payload that a receipt makes if it brings no update to count."""

_SETTLED: Mapping[Outcome, type[Uncounted]] = {
    "evaluated": AssignmentEvaluated,
    "declined": AssignmentDeclined,
    "failed": AssignmentFailed,
}

_UNCOUNTED: Mapping[Worth, type[Uncounted]] = {
    "late": UpdateLate,
    "duplicate": UpdateDuplicate,
    "conflicting": UpdateConflicting,
}


def uncounted_payload(value: Worth, receipt: Receipt) -> type[Uncounted]:
    """Return the payload that a receipt of this worth makes, if it is not to be counted."""
    return _SETTLED[receipt.outcome] if value == "settle" else _UNCOUNTED[value]


def _fits(round_: Round, receipt: Receipt) -> bool:
    """Return whether a site did what its round wants: train, or score the pulled model."""
    wanted = "evaluated" if round_.evaluates else "trained"
    return receipt.outcome in (wanted, "declined", "failed")


def _too_late(run: Run, round_: Round, receipt: Receipt) -> bool:
    """Return whether what counts is fixed, and no round follows in which the receipt may count."""
    if round_.manifest is None:
        return False
    number, spec = round_.number + 1, run.spec
    is_last = spec.rounds is not None and number > spec.rounds
    return not spec.carries or is_last or number - receipt.round > spec.most_stale


def _counted(state: Federation, receipt: Receipt) -> str | None:
    """Return the SHA-256 of the update already counted for the receipt's assignment."""
    run, key = state.runs[receipt.run], (receipt.client, receipt.round)
    counted = run.open_round.counted(*key) if run.open_round is not None else None
    if counted is not None:
        return counted.sha256
    last = receipt.round + run.spec.most_stale
    for number in range(receipt.round, min(last, len(run.closed)) + 1):
        closed = run.closed.find(number)
        for line in closed.manifest if closed else ():
            if (line.client, line.issued) == key:
                return line.sha256
    return None
