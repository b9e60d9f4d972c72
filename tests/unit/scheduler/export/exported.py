"""A run of two rounds, of which two clients evaluate what the coordinator evaluates as well."""

from __future__ import annotations

from typing import Any

from scheduler.export.followed import Followed
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def played(**asked: Any) -> MemoryWorld:
    """Return a world in which each training used 2 Wh at 100 gCO2eq/kWh: 0.2 g."""
    world = MemoryWorld("lyon", "oslo", held_out=64)
    world.work.reports = {"lyon": {"accuracy": 0.5, "round": 7.0}, "oslo": {"accuracy": None}}
    fields: dict[str, Any] = {"rounds": 2, "evaluate": "both"} | asked
    world.start(**fields)
    world.play()
    return world


def followed(world: MemoryWorld) -> Followed:
    found = Followed()
    found.see([event for event in world.history.events if event.run == "r"], world.run())
    return found
