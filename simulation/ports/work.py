"""The engine's work in a simulation: virtual sites that take time and energy, and answer."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from common.clock import VirtualClock
from common.keys import blob_key
from common.messages import BlobRef, Reason, Receipt, Timings
from models.batched import ClientWork
from models.local_part import LocalPart
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.event import Draft
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.receipt import worth
from scheduler.rounds.world import LossCode
from scheduler.selection.plan import derive_seed
from simulation.ports.availability import Availability
from simulation.ports.journal import Journal
from simulation.ports.learner import Learner
from simulation.ports.pauses import UserPauses
from simulation.ports.site import VirtualSite

FORWARD = 1 / 3
"""A backward pass computes about twice what a forward pass does: Kaplan et al., "Scaling Laws for
Neural Language Models", 2020, section 2.1."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work of one assignment.

    Attributes:
        examples: On how many it works, each once.
        passes: How often; a forward pass alone counts `FORWARD`.
        pulled_nbytes: Size of the version.
        frozen_nbytes: Size of the model's frozen part, 0 if the site has it.
        pushed_nbytes: Size of the update.
    """

    spec: RunSpec
    round: Round
    part: AssignmentState
    examples: int
    passes: float
    pulled_nbytes: int
    frozen_nbytes: int
    pushed_nbytes: int


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A receipt on its way, without the figures of training; ordered by arrival."""

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
    pull = site.moving(job.pulled_nbytes + job.frozen_nbytes)
    train_s = site.training_s(job.examples * job.passes, rng)
    fails = site.part.failure_rate > 0 and rng.random() < site.part.failure_rate
    if fails:
        train_s *= rng.random()
    ended = begun + pull + timedelta(seconds=train_s)
    push = timedelta() if fails or job.round.evaluates else site.moving(job.pushed_nbytes)
    site.free_at = ended + push
    timings = Timings(
        queue_s=(begun - job.part.issued_at).total_seconds(), pull_s=pull.total_seconds(),
        train_s=train_s, push_s=push.total_seconds(),
    )  # fmt: skip
    more: dict[str, object] = {
        "energy": site.used(begun, ended), "timings": timings,
        "frozen_nbytes": job.frozen_nbytes,
    }  # fmt: skip
    asked = job.spec.hyperparameters.with_epochs(job.part.epochs)
    if asked.is_private and not job.round.evaluates:
        more["privacy"] = site.debit(asked, job.examples)
    if fails:
        reason = Reason(code="site_failed", text="The simulated machine failed on the way.")
        return _answer(site, job, "failed", begun, ended, **more, reason=reason)
    if job.round.evaluates:
        return _answer(site, job, "evaluated", begun, ended, **more)
    more |= {
        "update": _update(job), "num_examples": job.examples,
        "num_steps": asked.expected_steps(job.examples),
    }  # fmt: skip
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
            "run": job.spec.id, "round": job.part.round, "client": site.id,
            "attempt": job.part.attempt, "outcome": outcome, "started_at": begun,
            "ended_at": ended, "sent_at": sent, "incarnation": site.incarnation, **more,
        }
    )  # fmt: skip
    return Arrival(sent + timedelta(seconds=site.part.latency_s), site.id, receipt)


def _local_part(run: Run, client: str, place: int, issued: int) -> LocalPart:
    partition = run.partition(place)
    return LocalPart(
        run.id, issued, client, partition=partition.id, num_partitions=partition.of,
        options=run.spec.options, personal=run.spec.personal,
    )  # fmt: skip


def _update(job: Job) -> BlobRef:
    """Return the claim check of an update that is not stored: its name stands for its bytes."""
    key = blob_key("update", job.part.client, job.spec.id, job.part.round)
    digest = hashlib.sha256(f"{key}~{job.part.attempt}".encode()).hexdigest()
    return BlobRef(key=key, sha256=digest, nbytes=job.pushed_nbytes)


def _seed(site: VirtualSite, job: Job) -> int:
    subject = f"work-{site.id}-{job.part.attempt}"
    return derive_seed(job.spec.seed, job.spec.id, job.part.round, subject)


class VirtualWork:
    """Lets sites work, and holds their answers until these arrive.

    Args:
        sites: By client id.
        examples: How many examples each client trains on.
        availability: Which sites come and go.
        pauses: When the user pauses and resumes the run.
        learner: Knows sizes, and what training gives.
        clock: What time it is.
        journal: Holds the state.
        readings: What changed in the grids; `None` where it is not read again.
    """

    def __init__(
        self,
        sites: Mapping[str, VirtualSite],
        examples: Mapping[str, int],
        *,
        availability: Availability,
        pauses: UserPauses,
        learner: Learner,
        clock: VirtualClock,
        journal: Journal,
        readings: Callable[[Federation], list[Draft]] | None,
    ) -> None:
        self._sites = sites
        self._examples = examples
        self._availability = availability
        self._pauses = pauses
        self._learner = learner
        self._clock = clock
        self._journal = journal
        self._readings = readings
        self._heap: list[Arrival] = []
        self._have_frozen: set[str] = set()

    def observe(self, state: Federation) -> list[Draft]:
        """Return which sites came and went, what the user did, and what changed in the grids."""
        now = self._clock.now
        drafts = [*self._availability.news(state.clients, now), *self._pauses.news(now)]
        return [*drafts, *self._readings(state)] if self._readings else drafts

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Let these clients work on their part of the run's open round."""
        round_ = run.open_round
        for client in clients if round_ else ():
            assert round_ is not None  # noqa: S101 - for the type checker
            arrival = work(self._sites[client], self._job(run, round_, client))
            if arrival is not None:
                heapq.heappush(self._heap, arrival)
                if arrival.receipt.outcome != "declined":
                    self._have_frozen.add(client)

    def _job(self, run: Run, round_: Round, client: str) -> Job:
        part = round_.cohort[client]
        frozen = 0 if client in self._have_frozen else self._learner.frozen_nbytes
        examples, asked = self._examples[client], run.spec.hyperparameters
        passes = asked.examples_trained(examples, epochs=part.epochs) / max(1, examples)
        if round_.evaluates:
            return Job(
                run.spec, round_, part, examples=self._learner.num_held_out(client),
                passes=FORWARD, pulled_nbytes=self._learner.pulled_nbytes(run), pushed_nbytes=0,
                frozen_nbytes=frozen,
            )  # fmt: skip
        return Job(
            run.spec, round_, part, examples=examples, passes=passes,
            pulled_nbytes=self._learner.pulled_nbytes(run),
            frozen_nbytes=frozen,
            pushed_nbytes=self._learner.update_nbytes,
        )  # fmt: skip

    def send_missing(self, run: Run) -> None:
        """Do nothing: everything could be sent."""

    def lost(self, run: Run) -> dict[str, LossCode]:  # noqa: ARG002 - the port's
        """Return no client: nothing is lost on its way here."""
        return {}

    def has_unread(self) -> bool:
        """Return that what arrives is received at once."""
        return False

    def settled(self, receipt: Receipt) -> None:
        """Do nothing: no bytes travel here."""

    @property
    def next_arrival(self) -> datetime | None:
        """When the next receipt arrives; `None` if none is on its way."""
        return self._heap[0].at if self._heap else None

    @property
    def next_change(self) -> datetime | None:
        """When a site comes or goes next, or the user acts; `None` if that never happens."""
        times = (self._availability.next_at, self._pauses.next_at)
        return min((at for at in times if at is not None), default=None)

    def arrive(self) -> Receipt:
        """Return the receipt that arrives next, with the figures of training."""
        receipt = heapq.heappop(self._heap).receipt
        if receipt.outcome == "evaluated":
            open_round = self._journal.state.runs[receipt.run].open_round
            part = open_round.cohort.get(receipt.client) if open_round else None
            memory = part.memory if part else None
            held_out = {
                "metrics": dict(self._learner.held_out_metrics(self._part(receipt), memory)),
                "num_held_out": self._learner.num_held_out(receipt.client),
            }
            return receipt.model_copy(update=held_out)
        counts = worth(self._journal.state, receipt) == "count"
        return receipt.model_copy(update=self._trained(receipt)) if counts else receipt

    def _part(self, receipt: Receipt) -> LocalPart:
        """Return what the site of a receipt that is due may know of its part."""
        run = self._journal.state.runs[receipt.run]
        place = self._journal.state.clients[receipt.client].place
        return _local_part(run, receipt.client, place, receipt.round)

    def _trained(self, receipt: Receipt) -> dict[str, object]:
        """Return what training gave, with all at once whose updates are likely to count."""
        client, issued = receipt.client, receipt.round
        run = self._journal.state.runs[receipt.run]
        round_ = run.open_round
        assert round_ is not None  # noqa: S101 - an update counts in an open round alone
        if self._learner.figures(client, issued) is None:
            epochs = run.spec.hyperparameters.epochs
            self._learner.train(
                [
                    ClientWork(
                        name, derive_seed(run.spec.seed, run.id, issued, name),
                        round_.cohort[name].epochs or epochs,
                        _local_part(run, name, round_.cohort[name].place, issued),
                    )
                    for name in sorted({client, *self._others(run, round_, issued)})
                    if self._learner.figures(name, issued) is None
                ],
                round_,
            )  # fmt: skip
        figures = self._learner.figures(client, issued)
        assert figures is not None  # noqa: S101 - it trained, for the type checker
        steps = receipt.num_steps if figures.num_steps is None else figures.num_steps
        if run.spec.hyperparameters.is_private:  # no figure of the records leaves a site
            return {"memory": figures.memory, "num_steps": steps or None}
        return {
            "loss": figures.loss, "utility": figures.utility, "metrics": dict(figures.metrics),
            "num_held_out": figures.num_held_out, "memory": figures.memory,
            "num_examples": figures.num_examples or receipt.num_examples,
            "num_steps": steps or None,
        }  # fmt: skip

    def _others(self, run: Run, round_: Round, issued: int) -> list[str]:
        """Return the clients that also train from that round's version, and likely count."""
        until = self._clock.grid_at(round_.deadline)
        due = sorted(
            answer
            for answer in self._heap
            if answer.trained and answer.receipt.round == issued
            and round_.part(answer.client, issued) is not None
            and (run.spec.carries or answer.at <= until)
        )  # fmt: skip
        most = len(due) if run.spec.carries else round_.target - len(round_.accepted) - 1
        return [answer.client for answer in due[:most]]
