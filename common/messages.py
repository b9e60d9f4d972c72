"""What travels between coordinator and site: small, frozen, validated, and never a tensor."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from common.clock import GridClock

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A client id or run id: letters, digits, dot, dash and underscore."""

Outcome = Literal["trained", "evaluated", "declined", "failed"]


class Message(BaseModel):
    """Base of everything that crosses a process border."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BlobRef(Message):
    """A claim check: where bytes in flight wait, and what they must be."""

    key: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,255}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    nbytes: int = Field(ge=0)


class Hyperparameters(Message):
    """How a site trains: chosen once for a run and recorded in every assignment."""

    epochs: int = Field(default=1, ge=1, le=10_000)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class Assignment(Message):
    """One round's work for one client.

    With `evaluates`, it trains nothing and scores the pulled model on its held-out data.
    `valid_until` is on the grid clock, `issued_at` and `sent_at` on the wall clock. The intensity
    is what the gate saw for the site's zone; `None` if unknown.
    """

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1)
    client: str = Field(pattern=NAME_PATTERN)
    attempt: int = Field(ge=0)
    workload: str
    hyperparameters: Hyperparameters
    model: BlobRef
    seed: int = Field(ge=0, lt=2**63)
    clock: GridClock
    issued_at: AwareDatetime
    valid_until: AwareDatetime
    sent_at: AwareDatetime
    evaluates: bool = False
    intensity_gco2eq_per_kwh: float | None


class Reason(Message):
    """Why something was not done: a code for machines and a text for people.

    `not_before` is when a site that declined expects to accept again, on the grid clock; `None` if
    it does not know.
    """

    code: str = Field(max_length=40)
    text: str = Field(max_length=600)
    not_before: AwareDatetime | None = None


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


class Receipt(Message):
    """A site's answer to one assignment. `update` is set if and only if it trained.

    `metrics` are of the pulled model on `num_held_out` held-out examples.

    `started_at` and `ended_at` are on the wall clock and bound the time in which the energy was
    used. `energy` is `None` where nothing was measured. `sent_at` is when the receipt left.
    """

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1)
    client: str = Field(pattern=NAME_PATTERN)
    attempt: int = Field(ge=0)
    outcome: Outcome
    update: BlobRef | None = None
    num_examples: int = Field(default=0, ge=0, lt=2**40)
    loss: float | None = None
    utility: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict, max_length=32)
    num_held_out: int = Field(default=0, ge=0, lt=2**40)
    energy: Energy | None = None
    timings: Timings = Timings()
    started_at: AwareDatetime
    ended_at: AwareDatetime
    sent_at: AwareDatetime
    incarnation: str = Field(max_length=64)
    reason: Reason | None = None


def update_key(work: Assignment | Receipt) -> str:
    """Return the one key under which a client may offer its update of a round."""
    return f"update.{work.client}.{work.run}.{work.round}"


class AdviceNote(Message):
    """What a site could do to emit less, as its card in Markdown and as figures.

    `at` is on the grid clock.
    """

    client: str = Field(pattern=NAME_PATTERN)
    at: AwareDatetime
    card: str = Field(max_length=20_000)
    figures: dict[str, JsonValue]


class Heartbeat(Message):
    """What a site's worker reports every few seconds. Never an event of the ledger.

    `ready` is false while the worker still loads; `busy` names the assignment in work as
    ``run/round``; `paused` says that the site's administrator paused it; `incarnation` changes with
    every start.
    """

    client: str = Field(pattern=NAME_PATTERN)
    incarnation: str = Field(max_length=64)
    host: str = Field(max_length=255)
    pid: int
    at: AwareDatetime
    ready: bool = True
    paused: bool = False
    busy: str | None = None
