"""A piece of work at a simulated site: when it begins and ends, what it uses, what comes back."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from common.messages import BlobRef, Reason, Receipt, Timings
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.run_spec import RunSpec
from scheduler.selection.plan import derive_seed
from simulation.ports.site import VirtualSite


@dataclass(frozen=True, slots=True)
class Job:
    """What a site is asked to do.

    Attributes:
        examples: On how many it trains, each once.
        epochs: How often.
        pulled_nbytes: Size of the model.
        pushed_nbytes: Size of the update.
    """

    spec: RunSpec
    round: Round
    part: AssignmentState
    examples: int
    epochs: int
    pulled_nbytes: int
    pushed_nbytes: int


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A receipt on its way, without what only training could tell; ordered by arrival."""

    at: datetime
    client: str
    receipt: Receipt = field(compare=False)

    @property
    def trained(self) -> bool:
        """Whether an update comes with it."""
        return self.receipt.outcome == "trained"


def work(site: VirtualSite, job: Job) -> Arrival | None:
    """Let a site do a job, one after the other; `None` if it never comes back to begin it."""
    arrived = job.part.issued_at + timedelta(seconds=site.part.latency_s)
    begun = site.hours.next_on(max(arrived, site.free_at))
    if begun is None:
        return None
    if begun > job.round.valid_until:
        return _declined(site, job, begun)
    rng = Random(_seed(site, job))  # noqa: S311 - a draw, not a secret
    pull = site.moving(job.pulled_nbytes)
    train_s = site.training_s(job.examples * job.epochs, rng)
    fails = site.part.failure_rate > 0 and rng.random() < site.part.failure_rate
    if fails:
        train_s *= rng.random()
    ended = begun + pull + timedelta(seconds=train_s)
    push = timedelta() if fails else site.moving(job.pushed_nbytes)
    site.free_at = ended + push
    timings = Timings(
        queue_s=(begun - job.part.issued_at).total_seconds(), pull_s=pull.total_seconds(),
        train_s=train_s, push_s=push.total_seconds(),
    )  # fmt: skip
    more: dict[str, object] = {"energy": site.energy(ended - begun), "timings": timings}
    if fails:
        reason = Reason(code="site_failed", text="The simulated machine failed on the way.")
        return _answer(site, job, "failed", begun, ended, **more, reason=reason)
    more |= {"update": _update(job), "num_examples": job.examples}
    return _answer(site, job, "trained", begun, ended, **more)


def _declined(site: VirtualSite, job: Job, at: datetime) -> Arrival:
    text = "The assignment reached the site when the power it was meant for was gone."
    return _answer(site, job, "declined", at, at, reason=Reason(code="too_late", text=text))


def _answer(
    site: VirtualSite, job: Job, outcome: str, begun: datetime, ended: datetime, **more: object
) -> Arrival:
    sent = max(ended, site.free_at) if outcome != "declined" else ended
    receipt = Receipt.model_validate(
        {
            "run": job.spec.id, "round": job.round.number, "client": site.id,
            "attempt": job.part.attempt, "outcome": outcome, "started_at": begun,
            "ended_at": ended, "sent_at": sent, "incarnation": site.incarnation, **more,
        }
    )  # fmt: skip
    return Arrival(sent + timedelta(seconds=site.part.latency_s), site.id, receipt)


def _update(job: Job) -> BlobRef:
    """Return the claim check of an update that nobody stores: its name stands for its bytes."""
    key = f"update.{job.part.client}.{job.spec.id}.{job.round.number}"
    digest = hashlib.sha256(f"{key}.{job.part.attempt}".encode()).hexdigest()
    return BlobRef(key=key, sha256=digest, nbytes=job.pushed_nbytes)


def _seed(site: VirtualSite, job: Job) -> int:
    subject = f"work-{site.id}-{job.part.attempt}"
    return derive_seed(job.spec.seed, job.spec.id, job.round.number, subject)


class OnTheWay:
    """The answers that have not arrived yet."""

    def __init__(self) -> None:
        self._heap: list[Arrival] = []

    def add(self, answer: Arrival) -> None:
        """Send an answer off."""
        heapq.heappush(self._heap, answer)

    @property
    def next_at(self) -> datetime | None:
        """When the next one arrives; `None` if none is on its way."""
        return self._heap[0].at if self._heap else None

    def take(self) -> Arrival:
        """Return the one that arrives first."""
        return heapq.heappop(self._heap)

    def first(self, run_round: int, count: int, *, until: datetime) -> list[str]:
        """Return the clients whose updates of a round will arrive first, `count` at most."""
        due = sorted(
            answer
            for answer in self._heap
            if answer.trained and answer.receipt.round == run_round and answer.at <= until
        )
        return [answer.client for answer in due[:count]]
