"""Replay: recompute every version of a run from the ledger's manifests and the blobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import FairwindError
from common.settings import Settings
from scheduler.federation.federation import Run
from scheduler.ledger.blobs import Blobs
from tasks.coordinator.learning import next_version
from tasks.coordinator.workbench import Workbench


@dataclass
class Replayed:
    """One recomputed version: is it the one the ledger names, and if not, why not."""

    run: str
    round: int
    version: str
    same: bool
    fault: str


def replay_run(run: Run, settings: Settings) -> Iterator[Replayed]:
    """Recompute the versions of one run, in order, from the first version on."""
    blobs = Blobs(settings.folder / "blobs")
    workbench = Workbench(settings.workloads)
    server_state: str | None = None
    for closed in run.closed:
        try:
            made = next_version(blobs, workbench, run.spec, closed, server_state=server_state)
            server_state = made.server_state
            fault = "" if made.version == closed.version else f"became {made.version[:16]}"
        except (FairwindError, OSError) as error:
            fault, server_state = str(error), closed.server_state
        yield Replayed(run.id, closed.number, closed.version, not fault, fault)
