"""What a receipt is worth: counted, or recorded and not counted, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from common.messages import Outcome, Receipt
from scheduler.federation.federation import Federation
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
``unknown``: of a run, round or client without an assignment; only a line in the log says so."""


def worth(state: Federation, receipt: Receipt) -> Worth:  # noqa: PLR0911 - a return for each worth
    """Return what a receipt is worth as of `state`.

    An update counts once per run, round and client: the first wins. The same bytes again are a
    duplicate, other bytes are conflicting, and whatever comes after the round was committed, or
    after its assignment was given up, is late.
    """
    run = state.runs.get(receipt.run)
    if run is None or receipt.client not in state.clients:
        return "unknown"
    counted = _counted(state, receipt)
    if counted is not None:
        if receipt.update is None:
            return "late"
        return "duplicate" if receipt.update.sha256 == counted else "conflicting"
    open_round = run.open_round
    if open_round is None or open_round.number != receipt.round or run.ended_at is not None:
        return "late" if receipt.round <= len(run.closed) + 1 else "unknown"
    part = open_round.cohort.get(receipt.client)
    if part is None:
        return "unknown"
    done = part.status in ("refused", "failed", "declined", "evaluated")
    if open_round.manifest is not None or done or not _fits(open_round, receipt):
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


def _counted(state: Federation, receipt: Receipt) -> str | None:
    """Return the SHA-256 of the update already counted for the receipt's round and client."""
    run = state.runs[receipt.run]
    if run.open_round is not None and run.open_round.number == receipt.round:
        accepted = run.open_round.accepted.get(receipt.client)
        return accepted.sha256 if accepted else None
    closed = run.closed.find(receipt.round)
    manifest = closed.manifest if closed else ()
    return next((line.sha256 for line in manifest if line.client == receipt.client), None)
