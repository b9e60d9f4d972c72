"""The interface of an energy source: one way to find the energy of a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from common.messages import EnergyPart

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Span:
    """What a task took: `wall_s` on a monotonic clock, `cpu_s` of it and its children."""

    wall_s: float
    cpu_s: float


class EnergySource(Protocol):
    """Finds the energy of one kind of device between a start and a stop; used again and again.

    Whatever it raises ends its own part of a measurement, never the training.
    """

    name: str
    """As settings and logs call it."""

    def start(self) -> None:
        """Begin. What an earlier start left is forgotten."""

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:
        """Return what was used since the start; nothing if the task did not use the device."""


class Unreadable(Exception):  # noqa: N818 - a state of the meter, named as one
    """A meter exists, but cannot be read. Its text has what, what follows, and the remedy."""
