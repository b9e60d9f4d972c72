"""The engine's work in production: assignments on Celery queues, bytes in the transport."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from kombu.exceptions import KombuError

from common.clock import GridClock, wall_now
from common.log import get_logger
from common.messages import Assignment, BlobRef, Receipt, update_key
from scheduler.carbon.grid import Grid
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round, lost
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.selection.plan import derive_seed
from tasks.coordinator.watch import Watch
from tasks.messaging.heartbeats import read_heartbeats
from tasks.messaging.queues import batch, client_queue, send
from tasks.messaging.transport import Transport
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)


class CeleryWork:
    """Sends assignments to the sites' queues, and looks where they are.

    Args:
        broker: Our own connection to Redis.
        transport: Carries models and updates.
        blobs: Where the models are.
        grid: What each zone's intensity is, for the assignment.
        clock: The grid clock, for the assignment.
        watch: Sees what changes outside.
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
    ) -> None:
        self._broker = broker
        self._transport = transport
        self._blobs = blobs
        self._grid = grid
        self._clock = clock
        self._watch = watch

    def observe(self, state: Federation) -> list[Draft]:
        """Return what has changed outside since the last event."""
        return self._watch.news(state)

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Put the assignments of these clients on their queues. What fails is issued again."""
        round_ = run.open_round
        if round_ is None:
            return
        try:
            model = self._offer(round_.base_version)
            shown = f"{run.id}/{round_.number}"
            with batch() as together:
                for client in clients:
                    assignment = self._assignment(run, round_, client, model)
                    send("train", client_queue(client), assignment, shown=shown, through=together)
        except (redis.RedisError, KombuError, OSError) as error:
            _log.error("assignment.not_sent", run=run.id, reason=str(error))

    def lost(self, run: Run) -> list[str]:
        """Return the clients whose open assignment no queue holds and no worker works on."""
        round_ = run.open_round
        if round_ is None:
            return []
        parts = round_.open_assignments()
        beats = read_heartbeats(self._broker, [part.client for part in parts])
        name = f"{run.id}/{round_.number}"
        return [
            part.client
            for part in parts
            if (beat := beats.get(part.client)) and lost(part, beat, name)
            and not self._broker.llen(SITE_PREFIX + part.client)
            and not self._broker.llen("aggregation")
        ]  # fmt: skip

    def settled(self, receipt: Receipt) -> None:
        """Forget the bytes of an update."""
        if receipt.update is not None and receipt.update.key == update_key(receipt):
            self._transport.delete(receipt.update)

    def _offer(self, version: str) -> BlobRef:
        """Make sure that a version's bytes wait in the transport, and return their claim check."""
        ref = model_ref(self._blobs, version)
        if self._transport.has(ref):
            return ref
        return self._transport.put(ref.key, self._blobs.path(version), version)

    def _assignment(self, run: Run, round_: Round, client: str, model: BlobRef) -> Assignment:
        """Return what one client is to do in its run's open round."""
        part = round_.cohort[client]
        reading = self._grid.zone(part.zone, self._clock.now()).reading
        hyperparameters = run.spec.hyperparameters
        if part.epochs is not None:
            hyperparameters = hyperparameters.model_copy(update={"epochs": part.epochs})
        return Assignment(
            run=run.id, round=round_.number, client=client, attempt=part.attempt,
            workload=run.spec.workload, hyperparameters=hyperparameters, model=model,
            seed=derive_seed(run.spec.seed, run.id, round_.number, client), clock=self._clock,
            issued_at=part.issued_at, sent_at=wall_now(), valid_until=round_.valid_until,
            evaluates=round_.evaluates,
            intensity_gco2eq_per_kwh=reading.gco2eq_per_kwh if reading else None,
        )  # fmt: skip


def model_ref(blobs: Blobs, version: str) -> BlobRef:
    """Return the claim check of a version."""
    nbytes = blobs.path(version).stat().st_size
    return BlobRef(key=f"model.{version}", sha256=version, nbytes=nbytes)
