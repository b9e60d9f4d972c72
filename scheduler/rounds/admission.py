"""Admission: what an update that arrived counts for, and what the ledger keeps of it. Pure."""

from __future__ import annotations

from datetime import datetime

from common.errors import UpdateError
from common.messages import Receipt
from scheduler.federation.federation import Federation
from scheduler.ledger.events import Admission
from scheduler.rounds.payloads import part_of


def counted_examples(state: Federation, receipt: Receipt) -> int:
    """Return how many examples of an update count.

    Raises:
        UpdateError: If none do.
    """
    limit = state.clients[receipt.client].num_examples
    count = receipt.num_examples if limit is None else min(receipt.num_examples, limit)
    if count < 1:
        msg = (
            f"{receipt.client} trained on no examples, so its update has no weight. Check its data."
        )
        raise UpdateError(msg)
    return count


def make_admission(
    state: Federation,
    receipt: Receipt,
    *,
    sha256: str,
    nbytes: int,
    norm: float,
    num_examples: int,
    wall_now: datetime,
) -> Admission:
    """Return what an update counts for.

    Args:
        state: Before the event.
        receipt: The site's answer.
        sha256: Of the update's bytes, as they were received.
        nbytes: Their number.
        norm: The update's L2 norm.
        num_examples: As `counted_examples` returns them.
        wall_now: When it was received, on the wall clock.
    """
    part = part_of(state, receipt)
    counted = min(num_examples, state.runs[receipt.run].spec.weight_cap)
    issued_at = part.issued_at if part else receipt.started_at
    return Admission(
        sha256=sha256,
        nbytes=nbytes,
        norm=norm,
        num_examples=num_examples,
        weight=part.weight(counted) if part else counted,
        timings=receipt.timings,
        latency_s=max(0.0, (wall_now - issued_at).total_seconds()),
    )
