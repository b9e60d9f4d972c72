"""Envelopes at the coordinator: what those of assignments say, and those of receipts must."""

from __future__ import annotations

import hashlib

from common.envelope import About, Header
from common.identity import canonical_json
from common.messages import Assignment, Reason, Receipt
from scheduler.federation.federation import Federation
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.payloads import part_of
from scheduler.rounds.receipt import worth
from tasks.messaging.inbox import Taken


def plan_hash(spec: RunSpec) -> str:
    """Return the SHA-256 of a run's specification, which all of its clients see."""
    return hashlib.sha256(canonical_json(spec.model_dump(mode="json"))).hexdigest()


def about(assignment: Assignment, plan: str) -> About:
    """Return what the envelope of an assignment says of it; `plan` is its run's `plan_hash`."""
    return About(
        run=assignment.run, round=assignment.round, attempt=assignment.attempt, plan_hash=plan,
        model_hash=assignment.model.sha256,
    )  # fmt: skip


def why_no_answer(state: Federation, taken: Taken, receipt: Receipt) -> Reason | None:
    """Return why a receipt is no answer of the site that signed it; `None` if it is one.

    Args:
        state: The federation.
        taken: The message that holds the receipt.
        receipt: What it says.
    """
    header = taken.header
    if header is None:
        return None
    if receipt.client != taken.client:
        text = f"{taken.client} signed a receipt of {receipt.client}"
        return Reason(code="other_client", text=text)
    if (header.run, header.round, header.attempt) != (receipt.run, receipt.round, receipt.attempt):
        return Reason(code="other_work", text="its envelope is about other work than its receipt")
    if receipt.run not in state.runs:
        return None  # which is the engine's to say
    return _other_plan(state, header) or _other_model(state, header, receipt)


def why_not_awaited(state: Federation, receipt: Receipt) -> Reason | None:
    """Return why a receipt is not even recorded; `None` if it is to be."""
    if worth(state, receipt) != "unknown":
        return None
    text = (
        f"{receipt.client} has no such assignment in {receipt.run[:64]}, or has answered more "
        "often than it was asked; if it does not stop, look at the log of its worker"
    )
    return Reason(code="not_awaited", text=text)


def _other_plan(state: Federation, header: Header) -> Reason | None:
    if header.plan_hash == plan_hash(state.runs[header.run].spec):
        return None
    text = f"it answers another specification of {header.run} than this coordinator's"
    return Reason(code="other_plan", text=text)


def _other_model(state: Federation, header: Header, receipt: Receipt) -> Reason | None:
    part = part_of(state, receipt)
    if part is None or header.model_hash == part.base_version:
        return None
    text = f"it answers another model than round {header.round} of {header.run} sent"
    return Reason(code="other_model", text=text)
