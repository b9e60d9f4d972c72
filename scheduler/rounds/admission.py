"""Admission: what an update that arrived counts for, and what the ledger keeps of it. Pure."""

from __future__ import annotations

import math
from datetime import datetime

from common.errors import UpdateError
from common.messages import Receipt, Timings
from scheduler.accounting.plausible import plausible_timings
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState
from scheduler.ledger.events import Admission
from scheduler.policies.planning.quotas import HEAVIEST
from scheduler.rounds.payloads import part_of

_FULL = 2**16
"""The weight of an example of an update that is not stale, in a run in which others may be."""


def staleness_weight(staleness: int) -> int:
    """Return what an example of an update counts, `_FULL` / sqrt(1 + staleness), rounded down.

    It is an integer, found without floating point: it is the same on every machine. Nguyen, Malik,
    Zhan, Yousefpour, Rabbat, Malek and Huba, "Federated Learning with Buffered Asynchronous
    Aggregation", AISTATS 2022, https://arxiv.org/abs/2106.06639, section 5.

    Args:
        staleness: By how many versions its base is older than the newest, not negative.
    """
    return math.isqrt(_FULL**2 // (1 + staleness))


def _weights(
    run: Run, part: AssignmentState | None, counted: int, staleness: int
) -> tuple[int, int]:
    """Return what so many examples weigh, and what they would if they were not stale."""
    bias = run.spec.bias
    if bias == "memory":
        return counted, counted  # each client counts once, however old its model is
    if bias == "capped" and part is not None:
        # Not normalised either: else a buffer of rare clients alone would count no more.
        weight = counted * _over_share_permille(run, part.client)
        return weight * staleness_weight(staleness), counted * 1000 * _FULL
    weight = part.weight(counted) if part is not None else counted
    if not run.spec.carries:
        return weight, weight
    return weight * staleness_weight(staleness), weight * _FULL


def _over_share_permille(run: Run, client: str) -> int:
    """Return one over a client's share of the updates, relative to an even one, within limits.

    These are those of a policy that weighs clients by one over their shares.
    """
    given = run.closed.sums.rounds
    clients = len(given.keys() | {client})
    # One update more for each: a share is not known from a few.
    even, own = given.total() + clients, clients * (given[client] + 1)
    lightest, heaviest = round(1000 / HEAVIEST), round(1000 * HEAVIEST)
    return min(max(1000 * even // own, lightest), heaviest)


def _staleness(run: Run, issued: int) -> int:
    """Return by how many versions the base of a round is older than that of the next version."""
    round_ = run.open_round
    if round_ is None:
        return 0
    return round_.number + (round_.manifest is not None) - issued


def counted_examples(state: Federation, receipt: Receipt) -> int:
    """Return how many examples of an update count.

    Raises:
        UpdateError: If none do, or the steps behind it, where they count, are not possible.
    """
    limit = state.clients[receipt.client].num_examples
    count = receipt.num_examples if limit is None else min(receipt.num_examples, limit)
    if count < 1:
        msg = (
            f"{receipt.client} trained on no examples, so its update has no weight. Check its data."
        )
        raise UpdateError(msg)
    if state.runs[receipt.run].spec.algorithm != "fedavg":
        _check_steps(state, receipt, limit)
    return count


def _check_steps(state: Federation, receipt: Receipt, limit: int | None) -> None:
    """Check the steps that a site reports: too few would let it weigh more, too many all of them.

    Args:
        state: Before the event.
        receipt: The site's answer; it trained on at least one example.
        limit: How many examples the client enrolled with; `None` if that is not known.

    Raises:
        UpdateError: If its examples, or those it enrolled with, do not make so many steps.
    """
    part, spec = part_of(state, receipt), state.runs[receipt.run].spec
    asked = spec.hyperparameters
    epochs = part.epochs if part is not None else None
    client, steps, examples = receipt.client, receipt.num_steps, receipt.num_examples
    fault, remedy = "", "Install the same Fairwind at the site as here."
    if steps is None:
        fault = "does not report its steps"
    elif steps != (expected := asked.expected_steps(examples, epochs=epochs)):
        fault = f"reports {steps} steps, and its {examples} examples make {expected}"
    elif limit is not None and steps > asked.expected_steps(limit, epochs=epochs):
        fault = f"reports {steps} steps on {examples} examples, and is enrolled with {limit}"
        enrol = f"fairwind enroll {client} --zone {state.clients[client].zone}"
        remedy = f"Enrol it with what it has: {enrol} --examples {examples}"
    if fault:
        msg = (
            f"{client} {fault}. As {spec.algorithm} divides updates by their steps, this one is "
            f"not counted. {remedy}"
        )
        raise UpdateError(msg)


def make_admission(
    state: Federation,
    receipt: Receipt,
    *,
    sha256: str,
    nbytes: int,
    norm: float,
    num_examples: int,
    started_at: datetime,
    wall_now: datetime,
    accept_s: float,
) -> Admission:
    """Return what an update counts for.

    Args:
        state: Before the event.
        receipt: The site's answer.
        sha256: Of the update's bytes, as they were received.
        nbytes: Their number.
        norm: The update's L2 norm.
        num_examples: As `counted_examples` returns them.
        started_at: When the work began, on the coordinator's wall clock.
        wall_now: When it was received, on the wall clock.
        accept_s: How long it took to receive, wall seconds.
    """
    part, run = part_of(state, receipt), state.runs[receipt.run]
    counted = min(num_examples, run.spec.weight_cap)
    issued_at = part.issued_at if part else wall_now
    stale = _staleness(run, receipt.round)
    latency_s = max(0.0, (wall_now - issued_at).total_seconds())
    weight, full_weight = _weights(run, part, counted, stale)
    return Admission(
        sha256=sha256,
        nbytes=nbytes,
        norm=norm,
        num_examples=num_examples,
        weight=weight,
        full_weight=full_weight,
        staleness=stale,
        timings=plausible_timings(
            _timings(state, receipt, issued_at=issued_at, started_at=started_at), latency_s
        ),
        latency_s=latency_s,
        accept_s=accept_s,
    )


def _timings(
    state: Federation, receipt: Receipt, *, issued_at: datetime, started_at: datetime
) -> Timings:
    """Return where the seconds went; a site whose clock is wrong cannot know how long it queued."""
    if not state.clients[receipt.client].clock_ahead_s:
        return receipt.timings
    waited_s = (started_at - issued_at).total_seconds() - receipt.timings.dispatch_s
    return receipt.timings.model_copy(update={"queue_s": max(0.0, waited_s)})
