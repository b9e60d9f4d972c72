"""What travels between coordinator and site: small, frozen, validated, and never a tensor."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from common.bounds import MOST_NUMBER, MOST_W, Count, Instant, Nbytes, on_a_clock
from common.clock import GridClock, wall_now
from common.clock_difference import MOST_AHEAD_S
from common.errors import encodable
from common.hyperparameters import Hyperparameters
from common.keys import blob_key
from common.ledger_head import LedgerHead
from common.message import Message
from common.personal import PersonalPatterns
from common.trail_head import TrailHead
from common.update_encodings import UpdateEncoding
from common.workload_options import WorkloadOptions

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A client id or run id: letters, digits, dot, dash and underscore."""

POLICY_PATTERN = r"^[0-9a-f]{12}$"
"""The version of a site policy: the beginning of its file's SHA-256."""

MAX_METRICS = 32
"""So many figures a receipt holds, the loss among them."""

LONGEST_METRIC_NAME = 64
"""Characters in the name of a figure."""

LONGEST_WORKLOAD = 1000
"""Characters in the name of a workload, which may be a path."""

MOST_FLOPS = 1e30
"""FLOPs of one example, at most: far beyond any training, and times all examples still finite."""

MetricName = Annotated[str, Field(max_length=LONGEST_METRIC_NAME)]

Outcome = Literal["trained", "evaluated", "declined", "failed"]


class BlobRef(Message):
    """A claim check: where bytes in flight wait, and what they must be."""

    key: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/-]{0,255}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    nbytes: Nbytes


class MemoryRef(Message):
    """The name of what a site remembers of a run: the state that its update of `round` left.

    The site alone keeps its bytes, on its own disk; `sha256` is of these.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    round: int = Field(ge=1)


class Partition(Message):
    """A client's place among all, in the order of their enrolment: `id` from 0, of `of`."""

    id: int = Field(default=0, ge=0, lt=MOST_NUMBER)
    of: int = Field(default=1, ge=1, lt=MOST_NUMBER)


class Address(BaseModel):
    """What an assignment and its receipt are about, whatever else another version says in them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1, lt=MOST_NUMBER)
    client: str = Field(pattern=NAME_PATTERN)
    attempt: int = Field(ge=0, lt=MOST_NUMBER)


class Assignment(Message):
    """One round's work for one client.

    With `scores`, the site scores the pulled model on its held-out data before it trains; with
    `evaluates`, it does nothing else.
    `options` are handed to the workload's functions.
    `frozen` are the model's parameters that no training changes, which a site keeps; `model` has
    all others. `None` if there are none.
    `memory` names the state to start from: that of the client's last update that counted; `None`
    for an empty one. With `error_feedback`, what encoding loses is kept there and sent later.
    Tensors that a pattern of `personal` matches stay at the site, and are part of that state.
    `partition` is for a training loop of the user's that splits a common data set.
    `correction` is what SCAFFOLD adds to the gradients of the site, pulled like the `model`.
    `head` is that of the coordinator's ledger; a site keeps it, and can show it later.
    `valid_until` is on the grid clock, `issued_at` and `sent_at` on the wall clock. The intensity
    is what the gate saw for the site's zone; `None` if unknown.
    """

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1, lt=MOST_NUMBER)
    client: str = Field(pattern=NAME_PATTERN)
    attempt: int = Field(ge=0, lt=MOST_NUMBER)
    workload: str = Field(max_length=LONGEST_WORKLOAD)
    options: WorkloadOptions = Field(default_factory=dict)
    hyperparameters: Hyperparameters
    encoding: UpdateEncoding = "float32"
    error_feedback: bool = False
    personal: PersonalPatterns = ()
    memory: MemoryRef | None = None
    partition: Partition = Partition()
    model: BlobRef
    frozen: BlobRef | None = None
    correction: BlobRef | None = None
    seed: int = Field(ge=0, lt=2**63)
    clock: GridClock
    issued_at: Instant
    valid_until: Instant
    sent_at: Instant
    evaluates: bool = False
    scores: bool = False
    head: LedgerHead | None = None
    intensity_gco2eq_per_kwh: float | None

    @property
    def is_private(self) -> bool:
        """Whether it asks for a training with differential privacy."""
        return self.hyperparameters.is_private and not self.evaluates

    @property
    def has_own(self) -> bool:
        """Whether the run leaves each site a model of its own."""
        return bool(self.personal) or self.hyperparameters.ditto is not None


class Reason(Message):
    """Why something was not done: a code for machines and a text for people.

    `not_before` is when a site that declined expects to accept again, on the grid clock; `None` if
    it does not know.
    """

    code: str = Field(max_length=40)
    text: str = Field(max_length=600)
    not_before: AwareDatetime | None = None


def _with_instant(reason: Reason) -> Reason:
    if reason.not_before is not None:
        on_a_clock(reason.not_before)
    return reason


EnergyQuality = Literal["measured", "shared", "modelled", "constant"]
"""How an energy was found, surest first; `shared`: measured for a device, split among its users."""


class EnergyPart(Message):
    """What one kind of device used for a task, before facility overhead, in Wh."""

    device: Literal["cpu", "gpu", "memory", "site"]
    energy_wh: float = Field(ge=0, allow_inf_nan=False)
    method: str = Field(max_length=40)
    quality: EnergyQuality


SIMULATED = "simulated"
"""The method of an energy that no machine used: a simulation's."""


class Energy(Message):
    """What a task used at the wall, how that was found, and what stands beside it.

    `energy_wh` is the sum of the parts times the PUE; its method names theirs, joined by ``+``, and
    its quality is that of the least sure. Apart from it: `idle_wh`, what the site's reserved
    hardware used since its last answer while it waited (PUE included), over `idle_s` wall seconds;
    and `embodied_gco2eq`, the share of its manufacture by the SCI specification 1.1. Both are
    `None` where the site does not report them.
    """

    energy_wh: float = Field(ge=0, allow_inf_nan=False)
    method: str = Field(max_length=80)
    quality: EnergyQuality
    pue: float = Field(ge=1)
    parts: tuple[EnergyPart, ...] = Field(default=(), max_length=8)
    idle_wh: float | None = Field(default=None, ge=0)
    idle_s: float | None = Field(default=None, ge=0)
    embodied_gco2eq: float | None = Field(default=None, ge=0)


class Timings(Message):
    """Where a task's wall seconds went; `dispatch_s` passed before the assignment was sent."""

    dispatch_s: float = 0.0
    queue_s: float = 0.0
    pull_s: float = 0.0
    train_s: float = 0.0
    push_s: float = 0.0


class PrivacySpent(Message):
    """What a run has spent of the privacy of a site's records, work that did not count included.

    Records are neighbours by one that is added or removed; `epsilon` is an upper bound at `delta`.
    """

    epsilon: float = Field(ge=0, le=1e12)
    delta: float = Field(gt=0, lt=1)
    trainings: int = Field(ge=1, lt=MOST_NUMBER)


class Receipt(Message):
    """A site's answer to one assignment. `update` is set if and only if it trained.

    `num_steps` is how many steps its optimizer took. `flops_per_example` are the floating-point
    operations of training on one example, forward and backward; `None` if unknown. `metrics` are of
    the pulled model on `num_held_out` held-out examples, or of the site's own where the run leaves
    it one; `None` is not finite.
    `frozen_nbytes` of the model's frozen part were pulled: 0 if the site had it.
    `privacy` is what the run has spent of its records' privacy; `None` if nothing.
    `policy` is the version of the site policy by which it was answered; `None` without a file.
    `memory` names the state that the site keeps for its next update, should this one count; with
    `memory_lost` it started from an empty one, as it no longer has the one that it was to.

    `started_at` and `ended_at` are on the wall clock and bound the time in which the energy was
    used. `energy` is `None` where nothing was measured. `sent_at` is when the receipt left.
    `trail` is the head of the site's audit trail by then.
    """

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1, lt=MOST_NUMBER)
    client: str = Field(pattern=NAME_PATTERN)
    attempt: int = Field(ge=0, lt=MOST_NUMBER)
    outcome: Outcome
    update: BlobRef | None = None
    num_examples: Count = 0
    num_steps: int | None = Field(default=None, ge=1, lt=2**40)
    flops_per_example: float | None = Field(default=None, ge=0, le=MOST_FLOPS)
    loss: float | None = None
    utility: float | None = None
    metrics: dict[MetricName, float | None] = Field(default_factory=dict, max_length=MAX_METRICS)
    num_held_out: Count = 0
    frozen_nbytes: Nbytes = 0
    memory: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    memory_lost: bool = False
    energy: Energy | None = None
    timings: Timings = Timings()
    started_at: Instant
    ended_at: Instant
    sent_at: Instant
    incarnation: str = Field(max_length=64)
    reason: Annotated[Reason, AfterValidator(_with_instant)] | None = None
    policy: str | None = Field(default=None, pattern=POLICY_PATTERN)
    trail: TrailHead | None = None
    privacy: PrivacySpent | None = None


def update_key(work: Assignment | Receipt) -> str:
    """Return the one key under which a client may offer its update of a round."""
    return blob_key("update", work.client, work.run, work.round)


def read_receipt(body: object) -> Receipt:
    """Return the receipt in a message; for one of another version, that the site failed.

    Raises:
        ValidationError: If it does not even say what it answers.
    """
    try:
        return Receipt.model_validate(body)
    except ValidationError as error:
        about, now = Address.model_validate(body), wall_now()
        text = (
            f"its receipt is not understood at the coordinator ({what_is_wrong(error)}): correct "
            "what is wrong at the site, or install the same version of Fairwind on both"
        )
        return Receipt(
            run=about.run, round=about.round, client=about.client, attempt=about.attempt,
            outcome="failed", started_at=now, ended_at=now, sent_at=now, incarnation="",
            reason=Reason(code="other_version", text=encodable(text)[:600]),
        )  # fmt: skip


_LONGEST_PLACE = 100
"""Characters of the place of a fault: it may be a name that the sender chose."""


def what_is_wrong(error: ValidationError) -> str:
    """Return the first fault of a message, as a part of a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))[:_LONGEST_PLACE] or "all of it"
    return f"{where}: {first['msg']}"


class AdviceNote(Message):
    """What a site could do to emit less, as its card in Markdown and as figures.

    `at` is on the grid clock.
    """

    client: str = Field(pattern=NAME_PATTERN)
    at: AwareDatetime
    card: str = Field(max_length=20_000)
    figures: dict[str, JsonValue] = Field(max_length=100)


LONGEST_KEPT_S = 86_400
"""Seconds for which Redis keeps a heartbeat, at most."""


class Heartbeat(Message):
    """What a site's worker reports every few seconds. Never an event of the ledger.

    `ready` is false while the worker still loads; `busy` names the assignment in work as
    ``run/round``; `paused` says that the site's administrator paused it; `incarnation` changes with
    every start. `policy` is the version of the site policy; `None` without a file that can be read.
    `idle_w` is what its reserved machine draws at the wall while it waits, W; `None` if it does not
    state that. `at` is on the site's own clock, and `clock_ahead_s` says how far that is ahead of
    Redis's, in s, as the heartbeat before measured it; `None` before. Redis keeps it for `kept_s`
    seconds.
    """

    client: str = Field(pattern=NAME_PATTERN)
    incarnation: str = Field(max_length=64)
    host: str = Field(max_length=255)
    pid: int = Field(ge=0, lt=MOST_NUMBER)
    at: Instant
    ready: bool = True
    paused: bool = False
    busy: str | None = Field(default=None, max_length=128)
    policy: str | None = Field(default=None, pattern=POLICY_PATTERN)
    idle_w: float | None = Field(default=None, gt=0, le=MOST_W)
    clock_ahead_s: float | None = Field(default=None, ge=-MOST_AHEAD_S, le=MOST_AHEAD_S)
    kept_s: int = Field(default=20, gt=0, le=LONGEST_KEPT_S)
