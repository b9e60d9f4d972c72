"""A home whose ledger holds what happened in a world in memory, for commands that read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common import settings
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def write(home: Path, world: MemoryWorld) -> None:
    """Write all events of a world to a new ledger, each at its time."""
    ledger = open_ledger(f"sqlite:///{home / 'ledger.sqlite'}", GridClock())
    for event in world.history.events:
        with ledger.transaction(at=event.at) as tx:
            tx.append(Draft(event.payload, event.run, event.round, event.client))
    ledger.close()


@contextmanager
def home_of(folder: Path, world: MemoryWorld) -> Iterator[Path]:
    """Let the settings of this process name a folder as the home, with a world's ledger in it."""
    write(folder, world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRWIND_HOME", str(folder))
        settings.load.cache_clear()
        yield folder
    settings.load.cache_clear()
