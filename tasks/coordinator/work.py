"""The engine's work in production: assignments on Celery queues, bytes in the transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import redis
from kombu.exceptions import KombuError

from common.clock import GridClock, wall_now
from common.envelope import Signer
from common.errors import BlobError, BrokerError
from common.keys import blob_key
from common.ledger_head import LedgerHead
from common.messages import Assignment, BlobRef, Heartbeat, Receipt, update_key
from scheduler.carbon.grid import Grid
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round, lost
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.rounds.world import LossCode
from scheduler.selection.plan import derive_seed
from tasks.coordinator.control_variates import Corrections
from tasks.coordinator.envelopes import about, plan_hash
from tasks.coordinator.frozen_parts import FrozenParts
from tasks.coordinator.meanwhile import checking
from tasks.coordinator.watch import Watch
from tasks.coordinator.witness import Witness
from tasks.messaging.heartbeats import read_arrivals
from tasks.messaging.inbox import Keys
from tasks.messaging.queues import batch, client_queue, send
from tasks.messaging.transport import Transport, forget
from tasks.roles import SITE_PREFIX


class CeleryWork:
    """Sends assignments to the sites' queues, and looks where they are.

    Args:
        broker: Our own connection to Redis.
        transport: Carries models and updates.
        blobs: Where the models are.
        grid: What each zone's intensity is, for the assignment.
        clock: The grid clock, for the assignment.
        watch: Sees what changes outside.
        witness: Signs the head of the ledger, which goes with every assignment.
        signer: Signs assignments; `None` where messages are not signed.
        keys: Returns the keys by which heartbeats are believed; `None` where nobody signs.
    """

    def __init__(
        self,
        broker: redis.Redis,
        transport: Transport,
        *,
        blobs: Blobs,
        grid: Grid,
        clock: GridClock,
        watch: Watch,
        witness: Witness,
        signer: Signer | None = None,
        keys: Callable[[], Keys | None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._transport = transport
        self._blobs = blobs
        self._corrections = Corrections(blobs, transport)
        self._grid = grid
        self._clock = clock
        self._watch = watch
        self._witness = witness
        self._signer = signer
        self._keys = keys
        self._frozen = FrozenParts(transport, blobs)

    def observe(self, state: Federation) -> list[Draft]:
        """Return what has changed outside since the last event."""
        return self._watch.news(state)

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Put the assignments of these clients on their queues.

        Raises:
            BrokerError: If Redis does not take them.
            TransportError, OSError: If the model could not be offered.
        """
        round_ = run.open_round
        if round_ is None:
            return
        parts = [round_.cohort[client] for client in clients]
        try:
            models = {base: self._offer(base) for base in sorted({p.base_version for p in parts})}
            frozen, head = self._frozen.offer(run, parts), self._witness.sign()
            plan = plan_hash(run.spec) if self._signer else ""
            with batch() as together:
                for part in parts:
                    model = models[part.base_version]
                    assignment = self._assignment(
                        run, round_, part, model=model, frozen=frozen, head=head
                    )
                    send(
                        "train", client_queue(part.client), assignment, shown=_name(run, part),
                        through=together, signer=self._signer,
                        about=about(assignment, plan),
                    )  # fmt: skip
        except (redis.RedisError, KombuError) as error:
            msg = (
                f"Redis does not take them ({error}), so no site has its assignment. Start Redis, "
                "or give it memory; then they are sent by themselves."
            )
            raise BrokerError(msg) from None

    def send_missing(self, run: Run) -> None:
        """Send the open assignments that no queue holds and that no worker says it works on."""
        parts = run.open_round.open_assignments() if run.open_round else []
        beats = self._arrivals(parts)
        held = {
            part.client
            for part in parts
            if (seen := beats.get(part.client)) and seen[0].busy == _name(run, part)
        }
        missing = [p.client for p in parts if p.client not in held and self._is_gone(p.client)]
        if missing:
            self.send(run, missing)

    def lost(self, run: Run) -> dict[str, LossCode]:
        """Return the clients whose open assignment no queue holds and no worker works on."""
        parts = run.open_round.open_assignments() if run.open_round else []
        beats, now = self._arrivals(parts), wall_now()
        gone = [
            part
            for part in parts
            if (seen := beats.get(part.client))
            and lost(part, seen[0], _name(run, part), age=timedelta(seconds=seen[1]), now=now)
            and self._is_gone(part.client)
        ]
        full = bool(gone) and self._is_full(run)
        whole_since = self._watch.redis_whole_since
        return {
            part.client: "redis_failed" if full or part.issued_at <= whole_since else "lost"
            for part in gone
        }

    def _is_full(self, run: Run) -> bool:
        """Return whether Redis has no room for an update, so that no site can answer."""
        assert run.open_round is not None  # noqa: S101 - assignments are of open rounds
        try:
            memory = self._broker.info("memory")
            nbytes = model_ref(self._blobs, run.open_round.base_version).nbytes
        except (redis.RedisError, BlobError):  # our user may not have the right to look
            return False
        most, used = memory.get("maxmemory", 0), memory.get("used_memory", 0)
        return bool(most and used + nbytes > most)

    def has_unread(self) -> bool:
        """Return whether receipts wait, or cannot be seen as Redis does not answer."""
        try:
            return bool(self._broker.llen("aggregation"))
        except redis.RedisError:
            return True

    def settled(self, receipt: Receipt) -> None:
        """Forget the bytes of an update, and of what was pulled for it alone.

        Those that cannot be deleted now expire.
        """
        self._frozen.settled(receipt)
        if receipt.update is not None and receipt.update.key == update_key(receipt):
            forget(self._transport, receipt.update)
        if (correction := self._corrections.settled(receipt)) is not None:
            forget(self._transport, correction)

    def _arrivals(self, parts: Sequence[AssignmentState]) -> dict[str, tuple[Heartbeat, float]]:
        clients = [part.client for part in parts]
        return read_arrivals(self._broker, clients, keys=self._keys() if clients else None)

    def _is_gone(self, client: str) -> bool:
        """Return whether neither a client's queue nor that of the receipts holds anything."""
        return not (self._broker.llen(SITE_PREFIX + client) or self._broker.llen("aggregation"))

    def _offer(self, version: str) -> BlobRef:
        """Make sure that a version's bytes wait in the transport, and return their claim check."""
        ref = model_ref(self._blobs, version)
        if self._transport.keep(ref):
            return ref
        try:
            with checking(lambda: self._blobs.whole(version)):
                return self._transport.put(ref.key, self._blobs.path(version), version)
        except BlobError:
            forget(self._transport, ref)  # what was put there is not the version
            raise

    def _assignment(
        self,
        run: Run,
        round_: Round,
        part: AssignmentState,
        *,
        model: BlobRef,
        frozen: BlobRef | None,
        head: LedgerHead | None,
    ) -> Assignment:
        """Return what one client is to do in its run's open round."""
        reading = self._grid.zone(part.zone, self._clock.now()).reading
        hyperparameters = run.spec.hyperparameters.in_round(part.round).with_epochs(part.epochs)
        return Assignment(
            run=run.id, round=part.round, client=part.client, attempt=part.attempt,
            workload=run.spec.workload, options=run.spec.options, hyperparameters=hyperparameters,
            encoding=run.spec.encoding, error_feedback=run.spec.feeds_errors_back,
            personal=run.spec.personal, memory=part.memory, partition=run.partition(part.place),
            model=model, frozen=frozen,
            correction=None if round_.evaluates else self._corrections.offer(run, part),
            seed=derive_seed(run.spec.seed, run.id, part.round, part.client), clock=self._clock,
            issued_at=part.issued_at, sent_at=wall_now(), valid_until=_valid_until(round_, part),
            evaluates=round_.evaluates, scores=run.sites_evaluate, head=head,
            intensity_gco2eq_per_kwh=reading.gco2eq_per_kwh if reading else None,
        )  # fmt: skip


def _name(run: Run, part: AssignmentState) -> str:
    """Return an assignment of a run as heartbeats name it."""
    return f"{run.id}/{part.round}"


def _valid_until(round_: Round, part: AssignmentState) -> datetime:
    """Return until when a site may begin: as long as those that were invited last in its round."""
    return round_.valid_until if part.round == round_.number else part.valid_until


def model_ref(blobs: Blobs, version: str) -> BlobRef:
    """Return the claim check of a version.

    Raises:
        BlobError: If it is missing.
    """
    nbytes = blobs.nbytes(version)
    return BlobRef(key=blob_key("model", version), sha256=version, nbytes=nbytes)
