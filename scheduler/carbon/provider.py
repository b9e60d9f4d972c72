"""The interface of live carbon providers: now, past and forecast of a zone, over the network."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from scheduler.carbon.family import Family
from scheduler.carbon.reading import Reading


class Provider(Protocol):
    """A live source. It checks its responses, and never waits longer than its time limits.

    Every method may raise `SignalUnavailable` (no figure now: try again later) or
    `SignalNotOffered` (not in the plan of this key: do not retry soon).
    """

    @property
    def name(self) -> str:
        """The word that selects this provider in ``FAIRWIND_SIGNAL``."""

    @property
    def family(self) -> Family:
        """What its figures count: the same for all of them."""

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it covers, sorted."""

    async def now(self, zone: str) -> list[Reading]:
        """Return the reading that holds now, and after it others of the same response.

        Args:
            zone: Electricity Maps zone id.
        """

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`, in order; where it has gaps, so has this.

        Args:
            zone: Electricity Maps zone id.
            start: Begin of the interval, aware.
            end: End of the interval, aware, not after now.
        """

    async def future(self, zone: str) -> list[Reading]:
        """Return the newest forecast, from now on, in order and without a gap.

        Raises:
            SignalNotOffered: If the plan of this key includes no forecast.
        """

    async def close(self) -> None:
        """Close the connection; the next request opens one again."""
