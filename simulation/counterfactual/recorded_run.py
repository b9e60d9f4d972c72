"""A recorded run: one run of a ledger as a scenario, with its clients and the intensities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.accounting.booking import Booking
from scheduler.carbon.family import Family
from scheduler.federation.federation import Run
from simulation.counterfactual.ledger_signal import WEEK_H, LedgerSignal
from simulation.grids.truth import hour_of
from simulation.ports.site import VirtualSite
from simulation.scenario.hours import Hours
from simulation.scenario.scenario import ClientPart, Scenario

MOST_ASSUMED = 0.1
"""Share of a run's hours that may lack a figure; a replay with more would rest on guesses."""


@dataclass(frozen=True, slots=True)
class Member:
    """A client of a recorded run.

    Attributes:
        id: As it enrolled.
        part: Where it is, and what an update of its own used and took: medians of its bookings.
        was_there: Whether it was available when the run started.
        switches: When its availability changed during the run, on the grid clock.
        is_guessed: Whether it has no booking, so that the others' medians stand for its own.
    """

    id: str
    part: ClientPart
    was_there: bool
    switches: tuple[datetime, ...]
    is_guessed: bool


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run as a ledger holds it.

    Attributes:
        run: Its events folded.
        scenario: The same run, to be simulated; times of the wall clock stretched to the grid's.
        members: All clients that were ever available before its last round was closed.
        signal: The intensities.
        family: Of the intensities.
        bookings: All work for its closed rounds.
    """

    run: Run
    scenario: Scenario
    members: tuple[Member, ...]
    signal: LedgerSignal
    family: Family
    bookings: tuple[Booking, ...]

    def sites(self) -> dict[str, VirtualSite]:
        """Return the clients' sites, none of which has done anything yet."""
        start = self.scenario.start
        return {
            member.id: VirtualSite(
                member.id, str(member.part.zone), member.part,
                member.part.power_w or 0.0, member.part.examples_per_s or 0.0,
                Hours(iter(member.switches), is_on=member.was_there),
                free_at=start, measured_until=start,
            )
            for member in self.members
        }  # fmt: skip

    def assumed(self, hours: float) -> tuple[int, int]:
        """Return how many hours of the zones lack a figure, and how many there are.

        Args:
            hours: Since the start of the run.
        """
        start = self.scenario.start
        first, last = hour_of(start), hour_of(start + timedelta(hours=hours))
        return self._missing(first, last)

    def assumed_before(self) -> tuple[int, int]:
        """Return the same of the week before the run, which its first gates and forecasts saw."""
        first = hour_of(self.scenario.start)
        return self._missing(first - WEEK_H, first - 1)

    def _missing(self, first: int, last: int) -> tuple[int, int]:
        return self.signal.missing(first, last), len(self.signal.zones()) * (last - first + 1)
