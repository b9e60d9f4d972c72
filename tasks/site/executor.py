"""A site: one client's side of a round. Decides whether to train, trains, keeps the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from common.clock import wall_now
from common.errors import FairwindError, TransportError, describe
from common.failpoints import failpoint
from common.files import file_sha256
from common.log import get_logger
from common.messages import Assignment, BlobRef, Reason, Receipt, Timings, update_key
from common.settings import Settings
from models.energy import make_meter
from models.serialization import parse_state, write_state
from models.training import Trainer
from models.update import State
from models.workload import load_workload
from tasks.messaging.transport import Transport, fetch
from tasks.site.outbox import Outbox
from tasks.site.site_policy import declined

_log = get_logger(__name__)

Result = TypeVar("Result")

Progress = Callable[[int, int, float], None]
"""Called after every epoch with epochs done, epochs in all and mean loss."""


class Executor:
    """Answers the assignments of one client; keeps loaded workloads, but no state of training."""

    def __init__(
        self, client: str, incarnation: str, settings: Settings, transport: Transport
    ) -> None:
        self._client = client
        self._incarnation = incarnation
        self._settings = settings
        self._transport = transport
        self._outbox = Outbox(settings.folder / "outbox" / client)
        self._trainers: dict[str, Trainer] = {}
        self._meter = make_meter(settings)

    def warm_up(self) -> None:
        """Load what this site may train. What cannot be loaded fails its assignment later."""
        for workload in self._settings.workloads:
            with suppress(FairwindError):
                self._trainer(workload)

    def answer(self, assignment: Assignment, progress: Progress) -> Receipt:
        """Answer an assignment: from the outbox, by declining, or by training.

        The update's bytes are on disk before this returns and wait in the transport.

        Raises:
            TransportError, redis.RedisError: If the bytes could not be offered. The answer is in
                the outbox, and the same assignment issued again will offer it again.
        """
        kept = self._outbox.answer_to(assignment)
        if kept is None:
            kept = self._work(assignment, progress)
            failpoint("site.kept")
        if kept.outcome != "trained":
            return kept
        begun = time.perf_counter()
        assert kept.update is not None  # noqa: S101 - a trained receipt has one, for the type checker
        self._transport.put(kept.update.key, self._outbox.update, kept.update.sha256)
        timings = kept.timings.model_copy(update={"push_s": time.perf_counter() - begun})
        return kept.model_copy(
            update={"attempt": assignment.attempt, "timings": timings, "sent_at": wall_now()}
        )

    def _work(self, assignment: Assignment, progress: Progress) -> Receipt:
        started = wall_now()
        waited = _waited(assignment, started)
        receipts = _ReceiptMaker(assignment, self._incarnation, started)
        reason = declined(self._settings, assignment, assignment.clock.at(started))
        if reason is not None:
            return receipts.of("declined", reason=reason)
        work = self._evaluate if assignment.evaluates else self._train
        try:
            with self._meter:
                done = work(assignment, waited, progress)
        except Exception as error:  # noqa: BLE001 - any failure must reach the coordinator
            reason = _why_failed(error)
            _log.error(
                "assignment.failed", round=_name(assignment), reason=reason.text,
                exc_info=error.__cause__ if isinstance(error, FairwindError) else error,
            )  # fmt: skip
            return receipts.of("failed", reason=reason, energy=self._meter.energy)
        receipt = receipts.of(energy=self._meter.energy, **done)
        if receipt.outcome == "trained":
            self._outbox.keep(assignment, receipt)
        return receipt

    def _train(
        self, assignment: Assignment, waited: Timings, progress: Progress
    ) -> dict[str, object]:
        """Train, keep the update in the outbox, and return what the receipt says of it."""
        result, timings = self._on_pulled(
            assignment, waited,
            lambda trainer, base: trainer.train(
                base, hyperparameters=assignment.hyperparameters, seed=assignment.seed,
                on_epoch=progress,
            ),
        )  # fmt: skip
        self._outbox.keep_update(lambda path: write_state(result.delta, path))
        return {
            "outcome": "trained", "update": self._describe(assignment), "timings": timings,
            "num_examples": result.num_examples, "loss": _finite(result.loss),
            "utility": _finite(result.utility), "metrics": _finite_ones(result.metrics),
            "num_held_out": result.num_held_out,
        }  # fmt: skip

    def _evaluate(self, assignment: Assignment, waited: Timings, _: Progress) -> dict[str, object]:
        """Score the pulled model on held-out data, and return what the receipt says of it."""
        (metrics, num_held_out), timings = self._on_pulled(
            assignment, waited, lambda trainer, base: trainer.score(base)
        )
        return {
            "outcome": "evaluated", "timings": timings, "metrics": _finite_ones(metrics),
            "num_held_out": num_held_out,
        }  # fmt: skip

    def _on_pulled(
        self, assignment: Assignment, waited: Timings, work: Callable[[Trainer, State], Result]
    ) -> tuple[Result, Timings]:
        """Pull the model, let the workload's trainer work on it, and time both."""
        begun = time.perf_counter()
        base = parse_state(fetch(self._transport, assignment.model))
        pulled = time.perf_counter()
        result = work(self._trainer(assignment.workload), base)
        took = {"pull_s": pulled - begun, "train_s": time.perf_counter() - pulled}
        return result, waited.model_copy(update=took)

    def _trainer(self, workload: str) -> Trainer:
        if workload not in self._trainers:
            loaded = load_workload(workload, allowed=self._settings.workloads)
            self._trainers[workload] = Trainer(loaded, self._client)
        return self._trainers[workload]

    def _describe(self, assignment: Assignment) -> BlobRef:
        path: Path = self._outbox.update
        return BlobRef(
            key=update_key(assignment),
            sha256=file_sha256(path),
            nbytes=path.stat().st_size,
        )


class _ReceiptMaker:
    """The parts of a receipt that are known before the training ends."""

    def __init__(self, assignment: Assignment, incarnation: str, started: datetime) -> None:
        self._assignment = assignment
        self._incarnation = incarnation
        self._started = started

    def of(self, outcome: object, **more: object) -> Receipt:
        a, now = self._assignment, wall_now()
        fields: dict[str, object] = {
            "run": a.run, "round": a.round, "client": a.client, "attempt": a.attempt,
            "outcome": outcome, "started_at": self._started, "ended_at": now, "sent_at": now,
            "incarnation": self._incarnation, **more,
        }  # fmt: skip
        return Receipt.model_validate(fields)


def _waited(assignment: Assignment, started: datetime) -> Timings:
    """Return what passed between issue and start: before the assignment was sent, and after."""
    dispatch_s = (assignment.sent_at - assignment.issued_at).total_seconds()
    queue_s = (started - assignment.sent_at).total_seconds()
    return Timings(dispatch_s=max(0.0, dispatch_s), queue_s=max(0.0, queue_s))


def _why_failed(error: Exception) -> Reason:
    if isinstance(error, TransportError):
        return Reason(code="model_missing", text=str(error)[:600])
    if isinstance(error, FairwindError):
        return Reason(code="workload_failed", text=str(error)[:600])
    return Reason(code="site_failed", text=describe(error)[:600])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite_ones(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _name(assignment: Assignment) -> str:
    return f"{assignment.run}/{assignment.round}"
