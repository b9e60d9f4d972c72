"""The coordinator: everything one of its processes needs, opened once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import redis

from common import settings as settings_
from common.clock import GridClock
from common.settings import Settings
from scheduler.carbon import federation_family, is_live, make_signal
from scheduler.carbon.grid import Grid
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.gate.gate import GateRule
from scheduler.ledger.blobs import Blobs
from scheduler.selection.score import score_weights
from tasks.coordinator.sources import Sources
from tasks.coordinator.workbench import Workbench
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.messaging.broker import connect
from tasks.messaging.transport import Transport, make_transport


@dataclass(frozen=True)
class Coordinator:
    """The tools of the tasks that decide and add up. All state is in the ledger and the blobs.

    `almanacs` and `sources` are `None` where the grid is known without asking anybody.
    """

    settings: Settings
    clock: GridClock
    ledger: FederationLedger
    blobs: Blobs
    grid: Grid
    almanacs: ZoneHistories | None
    sources: Sources | None
    broker: redis.Redis
    transport: Transport
    workbench: Workbench
    score_weights: Mapping[str, float]

    @property
    def gate_rule(self) -> GateRule:
        """When gates open and close."""
        return GateRule.of(self.settings, self.grid.family)


@cache
def coordinator() -> Coordinator:
    """Return this process's coordinator, built from its settings when first asked for.

    Raises:
        FairwindError: If a setting, the signal or the ledger does not allow it.
    """
    settings = settings_.load()
    broker = connect(settings)
    almanacs = ZoneHistories(broker) if is_live(settings) else None
    return Coordinator(
        settings=settings,
        clock=settings.clock,
        ledger=open_ledger(settings.ledger, settings.clock),
        blobs=Blobs(settings.folder / "blobs"),
        grid=Grid(almanacs or make_signal(settings), federation_family(settings)),
        almanacs=almanacs,
        sources=Sources(settings) if almanacs else None,
        broker=broker,
        transport=make_transport(settings),
        workbench=Workbench(settings.workloads),
        score_weights=score_weights(settings.score_weights),
    )
