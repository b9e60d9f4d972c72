"""A site: one client's side of a round. Decides whether to train, trains, keeps the answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from pydantic import ValidationError

from common.clock import wall_now
from common.envelope import Header
from common.errors import FairwindError, PlaceTakenError, TransportError, ends_process
from common.failpoints import failpoint
from common.files import file_sha256
from common.log import get_logger
from common.messages import (
    Assignment,
    BlobRef,
    Outcome,
    Reason,
    Receipt,
    Timings,
    update_key,
    what_is_wrong,
)
from common.settings import Settings
from models.device import CPU, Device
from models.energy import make_meter
from models.error_feedback import encode_update
from models.frozen import check_frozen
from models.local_result import LocalResult
from models.serialization import write_state
from models.torch_modes import torch_modes_kept
from models.training import Trainer
from models.update import State
from tasks.messaging.broker import REDIS_IS_AWAY
from tasks.messaging.inbox import site_signer
from tasks.messaging.transport import Transport
from tasks.site.device_use import computing_on, unfit
from tasks.site.entry import Entry, Sent, answered, begun, received
from tasks.site.frozen_cache import FrozenCache
from tasks.site.heads import keep_head
from tasks.site.journal import open_journal
from tasks.site.memory import SiteMemory
from tasks.site.memory_limit import MemoryIsUp, in_memory
from tasks.site.odometer import Odometer
from tasks.site.one_task import in_work
from tasks.site.outbox import Outbox
from tasks.site.privacy_budget import PrivacyBudget
from tasks.site.pulling import pull_model
from tasks.site.recall import local_part, no_room, recall, remember
from tasks.site.receipts import (
    ReceiptMaker,
    finite,
    kept_back,
    not_recorded,
    not_understood,
    waited_before,
    why_failed,
)
from tasks.site.sentence import describe_answer
from tasks.site.site_files import SiteFiles
from tasks.site.site_policy_bounds import over_request
from tasks.site.site_policy_guard import Declines, PolicyGuard
from tasks.site.site_policy_in_force import SitePolicy
from tasks.site.time_limit import TimeIsUp, within
from tasks.site.trail_heads import TrailHeads
from tasks.site.trainers import Trainers
from tasks.site.what_leaves import leaving

_log = get_logger(__name__)

Result = TypeVar("Result")

Progress = Callable[[int, int, float | None], None]
"""Called after every epoch with epochs done, epochs in all and mean loss; `None` if that stays."""


class Executor:
    """Answers the assignments of one client; keeps loaded workloads, but no state of training."""

    def __init__(
        self,
        client: str,
        incarnation: str,
        settings: Settings,
        transport: Transport,
        *,
        device: Device = CPU,
        check_place: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to work; nothing is loaded yet.

        Args:
            client: Whose data are trained on.
            incarnation: Of the worker, for its receipts.
            settings: The site's.
            transport: Brings models, takes updates.
            device: Where it trains.
            check_place: Raises `PlaceTakenError` if another worker is the client's meanwhile.
        """
        self.check_place = check_place
        self._client = client
        self._incarnation = incarnation
        self._settings = settings
        self._transport = transport
        self._device = device
        self._outbox = Outbox(settings.folder / "outbox" / client)
        self._files = SiteFiles(settings, client)
        self._memory = SiteMemory(self._files.memory)
        self._frozen = FrozenCache(self._files.frozen, settings.site_cache_mb * 1e6)
        self._journal = open_journal(settings, client)
        self._heads = TrailHeads(self._files.folder, client, site_signer(settings, client))
        self._guard = PolicyGuard(settings, self._files, self._journal)
        self._policy = SitePolicy()
        self._privacy = PrivacyBudget(Odometer(self._files.privacy))
        self._trainers = Trainers(settings, client, device.torch)
        self._meter = make_meter(settings)

    def warm_up(self) -> None:
        """Load what this site may train.

        Raises:
            WorkloadError: If nothing of it can be loaded.
        """
        self._guard.remember_sources()
        self._trainers.load_all()

    def answer(
        self, assignment: Assignment, progress: Progress, header: Header | None = None
    ) -> Receipt:
        """Answer an assignment: from the outbox, by declining, by training, or with what failed.

        Whatever goes wrong becomes an answer here, and nowhere else. The update's bytes are on
        disk before this returns and wait in the transport.

        Raises:
            redis.RedisError: If Redis is away: no answer could leave either. What was trained is
                in the outbox, and the same assignment issued again will offer it again.
            PlaceTakenError: If another worker serves the client: that one answers.
            SystemExit: If this process is to end.
        """
        receipts = ReceiptMaker(assignment, self._incarnation, wall_now())
        self._policy = self._guard.policy()
        try:
            receipt = self._recorded(assignment, receipts, progress, header)
        except BaseException as error:
            if ends_process(error) or isinstance(error, (*REDIS_IS_AWAY, PlaceTakenError)):
                raise
            receipt = self._failed(assignment, receipts, error)
        return receipt.model_copy(update={"trail": self._heads.sign(self._journal.last)})

    def not_understood(self, body: object, error: ValidationError) -> Receipt | None:
        """Answer what is no assignment as this version has them; `None` if nobody waits for it."""
        receipt = not_understood(body, error, client=self._client, incarnation=self._incarnation)
        if receipt is None:
            _log.warning("assignment.dropped", reason=what_is_wrong(error))
        else:
            _log.error("assignment.failed", sentence=describe_answer(receipt, None))
        return receipt

    def _recorded(
        self,
        assignment: Assignment,
        receipts: ReceiptMaker,
        progress: Progress,
        header: Header | None,
    ) -> Receipt:
        """Answer an assignment once it is on record that it came; decline it where it cannot be."""
        self.check_place()
        try:
            arrived = received(assignment, header, at=receipts.started, policy=self._policy.version)
            self._journal.append(arrived, synced=False)
        except OSError as error:
            reason = not_recorded(error)
            _log.error("assignment.declined", sentence=reason.text)
            return receipts.of("declined", reason=reason)
        return self._answer(assignment, receipts, progress)

    def _answer(
        self, assignment: Assignment, receipts: ReceiptMaker, progress: Progress
    ) -> Receipt:
        keep_head(self._files, assignment.head)
        kept = self._outbox.answer_to(assignment)
        if kept is None:
            with in_work(self._files.task, assignment):
                kept = self._work(assignment, receipts, progress)
            failpoint("site.kept")
        receipts.continue_with(kept)
        kept = leaving(kept, self._policy, assignment)
        update = kept.update
        # What had begun to leave goes on: it is on record, and counted for its day.
        has_begun = update is not None and self._transport.has_some(update)
        if (
            update is not None
            and not has_begun
            and (reason := self._keeps_back(assignment, update))
        ):
            kept = kept_back(kept, reason).model_copy(update={"attempt": assignment.attempt})
        entry = answered(assignment, kept, update.nbytes if update else None)
        if kept.update is None or has_begun:
            self._note(entry)
        else:
            self._privacy.release(assignment)
            # Not `_note`: what leaves is on record first, or does not leave.
            self._journal.append(entry, _about_to_leave(kept, kept.update))
        return self._sent(assignment, kept, kept.update) if kept.update else kept

    def _keeps_back(self, assignment: Assignment, update: BlobRef) -> Reason | None:
        """Return why an update does not leave, by the policy as it may be by now."""
        reason = self._guard.keeps_back(self._policy, assignment, update.nbytes)
        return reason or self._privacy.keeps_back(self._guard.policy(), assignment)

    def _sent(self, assignment: Assignment, kept: Receipt, update: BlobRef) -> Receipt:
        """Put what is missing of an update into the transport, and return its receipt."""
        self.check_place()
        begun = perf_counter()
        self._transport.put(update.key, self._outbox.update, update.sha256)
        timings = kept.timings.model_copy(update={"push_s": perf_counter() - begun})
        return kept.model_copy(
            update={"attempt": assignment.attempt, "timings": timings, "sent_at": wall_now()}
        )

    def _work(self, assignment: Assignment, receipts: ReceiptMaker, progress: Progress) -> Receipt:
        started = receipts.started
        waited = waited_before(assignment, started)
        has = self._trainers.num_examples(assignment.workload, assignment.options)
        reason = self._guard.decide(self._policy, assignment, num_examples=has)
        reason = reason or no_room(self._memory, assignment) or unfit(self._device, assignment)
        reason = reason or self._privacy.declines(self._policy, assignment, has)
        if reason is not None:
            return receipts.of("declined", reason=reason)
        self._note(begun(assignment, at=started), synced=False)
        try:
            done = self._done(assignment, receipts, waited, progress)
        except Declines as declines:
            return receipts.of("declined", reason=declines.reason)
        outcome: Outcome = "evaluated" if assignment.evaluates else "trained"
        receipt = leaving(receipts.of(outcome, **done), self._policy, assignment)
        if receipt.outcome == "trained":
            self._outbox.keep(assignment, receipt)
        return receipt

    def _done(
        self,
        assignment: Assignment,
        receipts: ReceiptMaker,
        waited: Timings,
        progress: Progress,
    ) -> dict[str, object]:
        """Work, measure what that uses, and return what the receipt says of it."""
        work = self._evaluate if assignment.evaluates else self._train
        try:
            with computing_on(self._device, assignment), self._meter:
                done = work(assignment, waited, progress)
            flops = None if assignment.evaluates else self._flops_per_example(assignment)
            return done | {"flops_per_example": flops}
        except (TransportError, Declines):
            raise
        except BaseException:
            self._trainers.forget(assignment.workload)
            raise
        finally:
            receipts.energy = self._meter.energy
            receipts.privacy = self._privacy.spent(assignment) if assignment.is_private else None
            receipts.frozen_nbytes = self._frozen.take_pulled_nbytes()

    def _failed(
        self, assignment: Assignment, receipts: ReceiptMaker, error: BaseException
    ) -> Receipt:
        """Return the receipt of work that failed; note it, and log why, with its traceback."""
        reason = why_failed(error, self._policy)
        receipt = receipts.of("failed", reason=reason, policy=self._policy.version)
        self._note(answered(assignment, receipt, None))
        cause = error.__cause__ if isinstance(error, FairwindError) else error
        _log.error(
            "assignment.failed",
            sentence=describe_answer(receipt, assignment.intensity_gco2eq_per_kwh),
            exc_info=None if isinstance(error, TimeIsUp) else cause,
        )
        return receipt

    def _note(self, entry: Entry, *, synced: bool = True) -> None:
        """Write to the journal; a full disk must not keep an answer from the coordinator."""
        try:
            self._journal.append(entry, synced=synced)
        except OSError as error:
            _log.warning("journal.not_written", kind=entry.kind, reason=str(error))

    def _train(
        self, assignment: Assignment, waited: Timings, progress: Progress
    ) -> dict[str, object]:
        """Train, keep the update in the outbox, and return what the receipt says of it."""
        memory, memory_lost = recall(self._memory, assignment)

        def trained(trainer: Trainer, base: State, correction: State | None) -> LocalResult:
            return trainer.train(
                base, hyperparameters=assignment.hyperparameters, seed=assignment.seed,
                scores=assignment.scores and not assignment.is_private,
                on_epoch=partial(_without_loss, progress) if assignment.is_private else progress,
                part=local_part(assignment), memory=memory, correction=correction,
                secret=self._debited(assignment, trainer.num_examples),
            )  # fmt: skip

        result, timings = self._on_pulled(assignment, waited, trained)
        self.check_place()
        update = encode_update(
            result.delta, assignment.encoding, seed=assignment.seed,
            error_feedback=assignment.error_feedback, memory=memory,
            age_rounds=assignment.round - assignment.memory.round if assignment.memory else 0,
        )  # fmt: skip
        self._outbox.keep_update(lambda path: write_state(update.tensors, path))
        return {
            "update": self._describe(assignment), "timings": timings,
            "memory": remember(self._memory, assignment, result.memory | update.memory),
            "memory_lost": memory_lost,
            "num_examples": result.num_examples, "num_steps": result.num_steps,
            "loss": finite(result.loss), "utility": finite(result.utility),
            "metrics": result.metrics, "num_held_out": result.num_held_out,
        }  # fmt: skip

    def _debited(self, assignment: Assignment, num_examples: int) -> bytes | None:
        """Debit a private training, and return its secret; `None` of one that is not private."""
        if not assignment.is_private:
            return None
        found = self._privacy.debit(self._policy, assignment, num_examples)
        if isinstance(found, Reason):
            raise Declines(found)
        return found

    def _evaluate(self, assignment: Assignment, waited: Timings, _: Progress) -> dict[str, object]:
        """Score a model on held-out data, and return what the receipt says of it.

        It is the pulled one, or the site's own where the run leaves it one.
        """
        memory = recall(self._memory, assignment)[0]
        (metrics, num_held_out), timings = self._on_pulled(
            assignment, waited,
            lambda trainer, base, _: trainer.score(base, local_part(assignment), memory),
        )  # fmt: skip
        return {"timings": timings, "metrics": metrics, "num_held_out": num_held_out}

    def _on_pulled(
        self,
        assignment: Assignment,
        waited: Timings,
        work: Callable[[Trainer, State, State | None], Result],
    ) -> tuple[Result, Timings]:
        """Pull the model and its correction, let the trainer work on them, and time both."""
        begun = perf_counter()
        base, frozen, correction = pull_model(
            self._transport, assignment, unfinished=self._outbox.pulled, memory=self._memory,
            cache=self._frozen,
        )  # fmt: skip
        pulled = perf_counter()

        def loaded_and_done() -> Result:
            trainer = self._trainers.trainer(assignment.workload, assignment.options)
            over = over_request(self._policy, assignment, trainer.num_examples)
            if over is not None:
                raise Declines(over)
            check_frozen(trainer.frozen, frozen)
            return work(trainer, base, correction)

        result = self._limited(loaded_and_done)
        took = {"pull_s": pulled - begun, "train_s": perf_counter() - pulled}
        return result, waited.model_copy(update=took)

    def _limited(self, work: Callable[[], Result]) -> Result:
        """Let the workload's code run in no more time and memory than the policy allows."""
        with torch_modes_kept():
            most = None if self._policy.memory_mb is None else int(self._policy.memory_mb * 1e6)
            return within(self._policy.training_s, partial(in_memory, most, work))

    def _flops_per_example(self, assignment: Assignment) -> float | None:
        """Return the FLOPs of training on one example; what counting them takes is in no task.

        `None` where they cannot be counted within the policy: the training is done and counts.
        """
        trainer = self._trainers.trainer(assignment.workload, assignment.options)
        try:
            return self._limited(partial(trainer.flops_per_example, assignment.hyperparameters))
        except (TimeIsUp, MemoryIsUp):
            return None

    def _describe(self, assignment: Assignment) -> BlobRef:
        path: Path = self._outbox.update
        return BlobRef(
            key=update_key(assignment),
            sha256=file_sha256(path),
            nbytes=path.stat().st_size,
        )


def _without_loss(progress: Progress, epoch: int, epochs: int, _loss: float) -> None:
    progress(epoch, epochs, None)


def _about_to_leave(kept: Receipt, update: BlobRef) -> Sent:
    return Sent(
        at=wall_now(), run=kept.run, round=kept.round, nbytes=update.nbytes, sha256=update.sha256
    )
