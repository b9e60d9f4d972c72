"""The coordinator: everything one of its processes needs, opened once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import redis

from common import settings as settings_
from common.clock import GridClock, SystemClock
from common.envelope import Signer
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.carbon.local_signal import make_signal
from scheduler.carbon.sources import federation_family, is_live
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.database import heads_file
from scheduler.rounds.engine import Engine
from scheduler.rounds.world import Rules, World
from tasks.coordinator.history import LedgerHistory
from tasks.coordinator.joins import Joins
from tasks.coordinator.learning import BlobLearning
from tasks.coordinator.redis_users import RedisUsers
from tasks.coordinator.sources import Sources
from tasks.coordinator.watch import Watch
from tasks.coordinator.witness import Witness
from tasks.coordinator.work import CeleryWork
from tasks.coordinator.workbench import Workbench
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.messaging.broker import connect
from tasks.messaging.inbox import (
    Inbox,
    Keys,
    coordinator_inbox,
    coordinator_signer,
    joining_inbox,
)
from tasks.messaging.transport import Transport, make_transport
from tasks.roles import carbon_folder, coordinator_key_file


@dataclass(frozen=True)
class Coordinator:
    """The tools of the tasks that decide and add up. All state is in the ledger and the blobs.

    `histories` and `sources` are `None` where the grid is known without asking anybody.
    """

    settings: Settings
    clock: GridClock
    ledger: FederationLedger
    blobs: Blobs
    grid: Grid
    histories: ZoneHistories | None
    sources: Sources | None
    broker: redis.Redis
    transport: Transport
    workbench: Workbench

    @cached_property
    def engine(self) -> Engine:
        """What drives the runs, over this process's ports."""
        return Engine(
            World(
                history=LedgerHistory(self.ledger, self.blobs, self.witness),
                work=self._work(),
                learning=BlobLearning(
                    self.blobs, self.transport, self.workbench,
                    home=self.settings.folder,
                    max_update_nbytes=self.settings.max_update_bytes,
                ),
                grid=self.grid,
                clock=SystemClock(self.clock),
                rules=Rules.of(self.settings),
            )
        )  # fmt: skip

    @cached_property
    def witness(self) -> Witness:
        """What signs the heads of the ledger."""
        return Witness(
            self.ledger, heads_file(self.settings.ledger),
            key_file=coordinator_key_file(self.settings.folder),
        )  # fmt: skip

    @cached_property
    def signer(self) -> Signer | None:
        """Who signs for the coordinator; `None` where messages are not signed."""
        return coordinator_signer(self.settings)

    @cached_property
    def inbox(self) -> Inbox:
        """What takes the messages of the sites."""
        return coordinator_inbox(self.settings, lambda: self.ledger.state().client_keys())

    @cached_property
    def joining(self) -> Inbox:
        """What takes the messages of sites that join, signed by the one-time keys of their kits."""
        return joining_inbox(self.settings, lambda: self.ledger.state().kit_keys())

    @cached_property
    def joins(self) -> Joins:
        """How often each client's worker has said that it starts."""
        return Joins()

    @cached_property
    def redis_users(self) -> RedisUsers:
        """The users of Redis, which follow the enrolment."""
        return RedisUsers(self.broker, self.settings.folder)

    def keys(self) -> Keys | None:
        """Return the keys by which heartbeats are believed; `None` where nobody signs."""
        return self.ledger.state().client_keys() if self.signer else None

    def _work(self) -> CeleryWork:
        watch = Watch(
            self.settings, self.broker, clock=self.clock, grid=self.grid,
            histories=self.histories, is_signed=self.signer is not None,
        )  # fmt: skip
        return CeleryWork(
            self.broker, self.transport, blobs=self.blobs, grid=self.grid, clock=self.clock,
            watch=watch, witness=self.witness, signer=self.signer, keys=self.keys,
        )  # fmt: skip


@cache
def workbench() -> Workbench:
    """Return what this process knows of workloads."""
    settings = settings_.load()
    return Workbench(settings.workloads, device=settings.device)


@cache
def coordinator(*, create: bool = False) -> Coordinator:
    """Return this process's coordinator, built from its settings when first asked for.

    Args:
        create: Make a ledger where there is none: as a worker starts, and never later.

    Raises:
        FairwindError: If a setting, the signal or the ledger does not allow it.
    """
    settings = settings_.load()
    broker = connect(settings)
    histories = ZoneHistories(carbon_folder(settings.folder)) if is_live(settings) else None
    return Coordinator(
        settings=settings,
        clock=settings.clock,
        ledger=open_ledger(settings.ledger, settings.clock, create=create),
        blobs=Blobs(settings.folder / "blobs"),
        grid=Grid(histories or make_signal(settings), federation_family(settings)),
        histories=histories,
        sources=Sources(settings) if histories else None,
        broker=broker,
        transport=make_transport(settings),
        workbench=workbench(),
    )
