"""Payloads about runs: started, opened, waiting, over."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from scheduler.ledger.events.base import Because, Payload, Sha256, Utc
from scheduler.ledger.events.evaluation import Evaluation
from scheduler.ledger.run_spec import RunSpec

VerdictCode = Literal[
    "invited",
    "not_sampled",
    "gate_closed",
    "gate_unknown",
    "silent",
    "busy",
    "failing",
    "failed",
    "declined",
    "in_round",
    "over_budget",
    "paused",
    "too_long",
    "overdue",
    "undelivered",
    "staggered",
]
"""Why one client is or is not invited. The ledger keeps these: add to them, never rename one."""

WaitReason = Literal["too_few", "policy_waits", "over_budget"]
"""Why no client is invited, although a round is due."""

EndReason = Literal["rounds", "hours", "grams", "reached", "no_progress", "stopped"]
"""Which budget was spent first, that its goal is reached or it learns no more, or was stopped."""


class RunStarted(Payload):
    """A user starts a run.

    Attributes:
        spec: Its whole specification, defaults included.
    """

    kind: ClassVar[str] = "run.started"

    spec: RunSpec


class RunOpened(Payload):
    """A run's first version exists.

    Attributes:
        version: The blob of that version.
        frozen: The blob of the parameters that no training changes, which no version holds; `None`
            if there are none.
        num_params: Numbers in it.
        scored_here: Whether the coordinator evaluates; else its sites do, on held-out data.
        evaluation: What that version is worth on its test data; `None` if it does not.
        lower_is_better: Whether the workload states that less of the run's metric is better.
        personal: The tensors that stay at the sites.
        num_personal: Numbers in these.
    """

    kind: ClassVar[str] = "run.opened"

    version: Sha256
    frozen: Sha256 | None = None
    num_params: int = Field(ge=0)
    scored_here: bool
    evaluation: Evaluation | None = None
    lower_is_better: bool = False
    personal: tuple[str, ...] = ()
    num_personal: int = Field(default=0, ge=0)


class RunWaiting(Payload):
    """A round is due and cannot start; once per change of the reasons.

    Attributes:
        reason: Why no client is invited.
        codes: By client, why it is or is not eligible.
        because: Why the policy waits, where it gives a reason.
        best_at: When the hour begins that the policy waits for, grid clock; `None` if it has none.
    """

    kind: ClassVar[str] = "run.waiting"

    reason: WaitReason
    codes: dict[str, VerdictCode] = Field(default_factory=dict)
    because: Because = Field(default_factory=dict)
    best_at: Utc | None = None


Step = Literal["open", "collect", "close", "plan", "send", "score", "end", "receive"]
"""A step of the engine, as it names them."""


class RunBlocked(Payload):
    """A step of a run failed, and the run takes no other; once per change of the text.

    Attributes:
        step: Which one; it is tried again, with growing pauses.
        text: What failed, and what to do.
    """

    kind: ClassVar[str] = "run.blocked"

    step: Step
    text: str


class RunUnblocked(Payload):
    """The step that failed has succeeded, and the run goes on."""

    kind: ClassVar[str] = "run.unblocked"


class RunPaused(Payload):
    """A user pauses a run: its open round is finished, and no other begins."""

    kind: ClassVar[str] = "run.paused"


class RunResumed(Payload):
    """A user lets a paused run go on."""

    kind: ClassVar[str] = "run.resumed"


class RunStopRequested(Payload):
    """A user asks for the end of a run."""

    kind: ClassVar[str] = "run.stop_requested"


class RunEnded(Payload):
    """A run is over.

    Attributes:
        reason: Why.
        text: What failed as the run was stopped, and what to do; empty unless something did.
        last_version: The blob of its last version; `None` if it never had one.
        best_version: The blob of the version with the best score, else of the last.
    """

    kind: ClassVar[str] = "run.ended"

    reason: EndReason
    text: str = ""
    last_version: Sha256 | None = None
    best_version: Sha256 | None = None
