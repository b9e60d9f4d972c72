"""What a site records: one model a kind. Times are on its wall clock.

Nothing here holds data, tensors or figures of the model: names, sizes, hashes and counts alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from common.message import Message
from common.messages import Assignment, Energy, Outcome, Reason, Receipt

if TYPE_CHECKING:
    from common.envelope import Header  # which loads cryptography


class Started(Message):
    """The site's worker has started.

    Attributes:
        incarnation: Of the worker, as its heartbeats and receipts name it.
        version: Of Fairwind.
    """

    kind: Literal["started"] = "started"
    at: AwareDatetime
    incarnation: str
    version: str


class Stopped(Message):
    """The site's worker has ended by itself; one that was killed says nothing."""

    kind: Literal["stopped"] = "stopped"
    at: AwareDatetime
    incarnation: str


class Received(Message):
    """The site has an assignment, and has not decided on it yet.

    Attributes:
        issuer: Who signed it; `None` where messages are not signed.
        nonce: Of its envelope, which the coordinator's log names, too; `None` likewise.
        plan_hash: SHA-256 of the run's specification; `None` likewise.
        model_sha256: Of the model that it names.
        policy: The version of the site policy in force; `None` without a file.
        ledger, ledger_seq, ledger_hash: The head of the coordinator's ledger that came with it.
    """

    kind: Literal["received"] = "received"
    at: AwareDatetime
    run: str
    round: int
    attempt: int
    workload: str
    issuer: str | None = None
    nonce: str | None = None
    plan_hash: str | None = None
    model_sha256: str
    policy: str | None = None
    ledger: str | None = None
    ledger_seq: int | None = None
    ledger_hash: str | None = None


class Begun(Message):
    """The site starts to work on an assignment."""

    kind: Literal["begun"] = "begun"
    at: AwareDatetime
    run: str
    round: int
    attempt: int
    workload: str


class Answered(Message):
    """The site has an answer to an assignment.

    Attributes:
        energy: What the work used; `None` if that is unknown, or nothing was done.
        intensity_gco2eq_per_kwh: Of the site's grid, as the assignment brought it.
        update_nbytes: Size of the update that training made, sent or not.
        metrics: Names of the figures that the answer holds.
        num_examples: Examples trained on, as the answer says.
        num_held_out: Held-out examples, as the answer says.
        policy: The version of the site policy by which it was answered; `None` without a file.
    """

    kind: Literal["answered"] = "answered"
    run: str
    round: int
    attempt: int
    workload: str
    outcome: Outcome
    started_at: AwareDatetime
    ended_at: AwareDatetime
    energy: Energy | None
    intensity_gco2eq_per_kwh: float | None
    update_nbytes: int | None
    reason: Reason | None
    metrics: tuple[str, ...] = ()
    num_examples: int = 0
    num_held_out: int = 0
    policy: str | None = None


class Sent(Message):
    """An update is about to leave the site."""

    kind: Literal["sent"] = "sent"
    at: AwareDatetime
    run: str
    round: int
    nbytes: int
    sha256: str


class Refused(Message):
    """Messages of one kind were refused: the site did nothing of what they say.

    Attributes:
        issuer: Whose name they bear, which need not be who sent them.
        times: How many, since the last record of that kind.
    """

    kind: Literal["refused"] = "refused"
    at: AwareDatetime
    task: str
    issuer: str
    code: str
    text: str
    times: int


class Decided(Message):
    """The site's administrator has decided something at the site.

    Attributes:
        what: ``paused``, ``resumed`` or ``approved``.
        about: A workload and the hash of its source; "" for the whole site.
    """

    kind: Literal["decided"] = "decided"
    at: AwareDatetime
    what: Literal["paused", "resumed", "approved"]
    about: str = ""


class Recovered(Message):
    """A killed process or a full disk has left what is no record before this one.

    Attributes:
        torn_nbytes, torn_sha256: Of what lies between the last record and this one.
    """

    kind: Literal["recovered"] = "recovered"
    at: AwareDatetime
    torn_nbytes: int
    torn_sha256: str


class Pruned(Message):
    """The oldest files of the trail were deleted, as their time was over.

    Attributes:
        files: Their names.
        first_seq: The first record that is kept.
        first_previous: The hash of the record before it.
    """

    kind: Literal["pruned"] = "pruned"
    at: AwareDatetime
    files: tuple[str, ...]
    first_seq: int
    first_previous: str


Entry = (
    Started | Stopped | Received | Begun | Answered | Sent | Refused | Decided | Recovered | Pruned
)

ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def received(
    assignment: Assignment, header: Header | None, *, at: datetime, policy: str | None
) -> Received:
    """Return the entry of an assignment that has arrived, in an envelope or without."""
    head = assignment.head
    return Received(
        at=at, run=assignment.run, round=assignment.round, attempt=assignment.attempt,
        workload=assignment.workload, model_sha256=assignment.model.sha256, policy=policy,
        issuer=header.issuer if header else None, nonce=header.nonce if header else None,
        plan_hash=header.plan_hash if header else None,
        ledger=head.ledger if head else None, ledger_seq=head.seq if head else None,
        ledger_hash=head.hash if head else None,
    )  # fmt: skip


def begun(assignment: Assignment, *, at: datetime) -> Begun:
    """Return the entry of work that starts."""
    return Begun(
        at=at, run=assignment.run, round=assignment.round, attempt=assignment.attempt,
        workload=assignment.workload,
    )  # fmt: skip


def answered(assignment: Assignment, receipt: Receipt, update_nbytes: int | None) -> Answered:
    """Return the entry of an answer."""
    return Answered(
        run=receipt.run, round=receipt.round, attempt=receipt.attempt,
        workload=assignment.workload, outcome=receipt.outcome, started_at=receipt.started_at,
        ended_at=receipt.ended_at, energy=receipt.energy, reason=receipt.reason,
        intensity_gco2eq_per_kwh=assignment.intensity_gco2eq_per_kwh, update_nbytes=update_nbytes,
        metrics=tuple(sorted(receipt.metrics)), num_examples=receipt.num_examples,
        num_held_out=receipt.num_held_out, policy=receipt.policy,
    )  # fmt: skip
