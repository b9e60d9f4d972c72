"""A site: one client's side of a round. Decides whether to train, trains, keeps the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from common.clock import wall_now
from common.errors import FairwindError
from common.failpoints import failpoint
from common.files import file_sha256
from common.log import get_logger
from common.messages import Assignment, BlobRef, Outcome, Reason, Receipt, Timings, update_key
from common.settings import Settings
from models.energy import make_meter
from models.serialization import parse_state, write_state
from models.training import Trainer
from models.update import State
from models.workload import load_workload
from tasks.messaging.transport import Transport, fetch
from tasks.site.journal import Answered, Begun, Entry, Journal, Sent, answered
from tasks.site.outbox import Outbox
from tasks.site.receipts import (
    ReceiptMaker,
    finite,
    finite_ones,
    kept_back,
    waited_before,
    why_failed,
)
from tasks.site.sentence import describe_answer
from tasks.site.site_files import SiteFiles, held
from tasks.site.site_policy import SiteState, declined, over_daily
from tasks.site.time_limit import TimeIsUp, time_limit

_log = get_logger(__name__)

Result = TypeVar("Result")

_LOOK_BACK = timedelta(days=31)
"""How far back the size of a workload's last update is looked for."""

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
        self._files = SiteFiles(settings, client)
        self._journal = Journal(self._files.folder)
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
            with held(self._files.task):
                kept = self._work(assignment, progress)
            failpoint("site.kept")
        update = kept.update
        if update is not None and (reason := self._over_daily(update.nbytes)):
            kept = kept_back(kept, reason).model_copy(update={"attempt": assignment.attempt})
        self._note(answered(assignment, kept, update.nbytes if update else None))
        if kept.update is None:
            return kept
        return self._sent(assignment, kept, kept.update)

    def _sent(self, assignment: Assignment, kept: Receipt, update: BlobRef) -> Receipt:
        """Put an update into the transport, once the journal says so, and return its receipt."""
        begun, now = perf_counter(), wall_now()
        # Not `_note`: what leaves is on record first, or does not leave.
        self._journal.append(
            Sent(at=now, run=kept.run, round=kept.round, nbytes=update.nbytes, sha256=update.sha256)
        )
        self._transport.put(update.key, self._outbox.update, update.sha256)
        timings = kept.timings.model_copy(update={"push_s": perf_counter() - begun})
        return kept.model_copy(
            update={"attempt": assignment.attempt, "timings": timings, "sent_at": wall_now()}
        )

    def _work(self, assignment: Assignment, progress: Progress) -> Receipt:
        started = wall_now()
        waited = waited_before(assignment, started)
        receipts = ReceiptMaker(assignment, self._incarnation, started)
        reason = declined(self._settings, assignment, started, site=self._state(assignment))
        if reason is not None:
            return receipts.of("declined", reason=reason)
        self._note(
            Begun(
                at=started,
                run=assignment.run,
                round=assignment.round,
                attempt=assignment.attempt,
                workload=assignment.workload,
            )
        )
        work = self._evaluate if assignment.evaluates else self._train
        try:
            with self._meter:
                done = work(assignment, waited, progress)
        except (Exception, TimeIsUp) as error:  # noqa: BLE001 - any failure must reach the coordinator
            # What was interrupted anywhere is not trusted: it is loaded again for the next task.
            if isinstance(error, TimeIsUp):
                self._trainers.pop(assignment.workload, None)
            return self._failed(assignment, receipts, error)
        outcome: Outcome = "evaluated" if assignment.evaluates else "trained"
        receipt = receipts.of(outcome, energy=self._meter.energy, **done)
        if receipt.outcome == "trained":
            self._outbox.keep(assignment, receipt)
        return receipt

    def _failed(
        self, assignment: Assignment, receipts: ReceiptMaker, error: BaseException
    ) -> Receipt:
        """Return the receipt of work that failed, and log why, with the workload's traceback."""
        reason = why_failed(error, self._settings.site_max_training_s)
        receipt = receipts.of("failed", reason=reason, energy=self._meter.energy)
        cause = error.__cause__ if isinstance(error, FairwindError) else error
        _log.error(
            "assignment.failed",
            sentence=describe_answer(receipt, assignment.intensity_gco2eq_per_kwh),
            exc_info=None if isinstance(error, TimeIsUp) else cause,
        )
        return receipt

    def _state(self, assignment: Assignment) -> SiteState:
        """Return what the site knows of itself before it decides on an assignment."""
        paused_since = self._files.paused_since
        if self._settings.site_max_mb_per_day is None:
            return SiteState(paused_since)
        now = wall_now()
        entries = self._journal.read(since=now - _LOOK_BACK)
        sizes = [
            entry.update_nbytes for entry in entries
            if isinstance(entry, Answered) and entry.workload == assignment.workload
            and entry.update_nbytes is not None
        ]  # fmt: skip
        expected = sizes[-1] if sizes else assignment.model.nbytes
        return SiteState(paused_since, _sent_today(entries, now), expected)

    def _over_daily(self, nbytes: int) -> Reason | None:
        """Return why an update that is there may not be sent today; `None` if it may."""
        if self._settings.site_max_mb_per_day is None:
            return None
        now = wall_now()
        sent = _sent_today(self._journal.read(since=now), now)
        return over_daily(self._settings, now, SiteState(None, sent, nbytes))

    def _note(self, entry: Entry) -> None:
        """Write to the journal; a full disk must not keep an answer from the coordinator."""
        try:
            self._journal.append(entry)
        except OSError as error:
            _log.warning("journal.not_written", kind=entry.kind, reason=str(error))

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
            "update": self._describe(assignment), "timings": timings,
            "num_examples": result.num_examples, "loss": finite(result.loss),
            "utility": finite(result.utility), "metrics": finite_ones(result.metrics),
            "num_held_out": result.num_held_out,
        }  # fmt: skip

    def _evaluate(self, assignment: Assignment, waited: Timings, _: Progress) -> dict[str, object]:
        """Score the pulled model on held-out data, and return what the receipt says of it."""
        (metrics, num_held_out), timings = self._on_pulled(
            assignment, waited, lambda trainer, base: trainer.score(base)
        )
        return {
            "timings": timings, "metrics": finite_ones(metrics),
            "num_held_out": num_held_out,
        }  # fmt: skip

    def _on_pulled(
        self, assignment: Assignment, waited: Timings, work: Callable[[Trainer, State], Result]
    ) -> tuple[Result, Timings]:
        """Pull the model, let the workload's trainer work on it, and time both."""
        begun = perf_counter()
        base = parse_state(fetch(self._transport, assignment.model))
        pulled = perf_counter()
        with time_limit(self._settings.site_max_training_s):
            result = work(self._trainer(assignment.workload), base)
        took = {"pull_s": pulled - begun, "train_s": perf_counter() - pulled}
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


def _sent_today(entries: Sequence[Entry], now: datetime) -> int:
    """Return the bytes of updates sent since midnight UTC."""
    midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
    return sum(
        entry.nbytes for entry in entries if isinstance(entry, Sent) and entry.at >= midnight
    )
