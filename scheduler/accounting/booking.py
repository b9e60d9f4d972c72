"""A booking: one piece of work, what it used, and what that emitted, as booked and as settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from common.messages import Energy
from common.units import emitted_gco2eq
from scheduler.carbon.mean import Mean

Outcome = Literal[
    "counted",
    "late",
    "refused",
    "conflicting",
    "duplicate",
    "evaluated",
    "declined",
    "failed",
    "lost",
    "cut_off",
]
"""What became of the work: ``lost`` was never answered; ``cut_off`` counted until its round ended
without a version, or its update was lost here; ``duplicate`` made the same bytes a second time;
``evaluated`` scored a run's last version without training. Only ``counted`` work is in a model."""


@dataclass(frozen=True, slots=True)
class Booking:
    """One piece of work of one client. Times are on the grid clock.

    Attributes:
        run: The run's name.
        round: Its number in the run.
        client: Of the work.
        zone: The client's zone when it was booked.
        outcome: What became of it.
        started_at: When the energy began to be used; `None` where it was never reported.
        ended_at: When it was used up; `None` where it was never reported.
        energy: What it used; `None` where it was never reported.
        network_wh: What its bytes used on their way, both ways, modelled; `None` if unknown.
        examples: Examples trained on, each as often as it was; 0 where nothing was trained.
        booked: The carbon intensity as known when it was booked; `None` if unknown.
        settled: The carbon intensity as measured since, always of the federation's family; `None`
            until then.
        comparable: Whether the booked intensity is known and of the federation's family. Grams of
            another one are never added to those that are.
        idle_booked: The mean intensity of the hours in which its hardware waited, as known when it
            was booked and of the federation's family; `None` if unknown.
        flops: Floating-point operations of the training, as the site counted them; `None` if
            unknown.
    """

    run: str
    round: int
    client: str
    zone: str
    outcome: Outcome
    started_at: datetime | None
    ended_at: datetime | None
    energy: Energy | None
    network_wh: float | None
    examples: int
    booked: Mean | None
    settled: Mean | None
    comparable: bool
    idle_booked: Mean | None = None
    flops: float | None = None

    @classmethod
    def lost(cls, run: str, number: int, client: str, zone: str) -> Booking:
        """Return the booking of unanswered work."""
        return cls(
            run, number, client, zone, outcome="lost", started_at=None, ended_at=None, energy=None,
            network_wh=None, examples=0, booked=None, settled=None, comparable=False,
        )  # fmt: skip

    @property
    def energy_wh(self) -> float | None:
        """Electricity of the work itself at the wall, Wh."""
        return self.energy.energy_wh if self.energy else None

    @property
    def idle_wh(self) -> float | None:
        """Electricity of reserved hardware that waited, Wh; `None` if not reported."""
        return self.energy.idle_wh if self.energy else None

    @property
    def best(self) -> Mean | None:
        """The surest intensity of the federation's family: settled, else as booked."""
        return self.settled or (self.booked if self.comparable else None)

    @property
    def gco2eq(self) -> float | None:
        """Operational emissions as booked, gCO2eq; `None` if unknown or of another family."""
        return _grams(self.energy_wh, self.booked) if self.comparable else None

    @property
    def apart_gco2eq(self) -> float | None:
        """Emissions known in another family alone, gCO2eq; `None` if there are none."""
        return None if self.best else _grams(self.energy_wh, self.booked)

    @property
    def settled_gco2eq(self) -> float | None:
        """Operational emissions under the surest intensity, gCO2eq; `None` if unknown."""
        return _grams(self.energy_wh, self.best)

    @property
    def idle_intensity(self) -> Mean | None:
        """The intensity of the hours in which reserved hardware waited; the work's if unknown."""
        return self.idle_booked or self.best

    @property
    def idle_gco2eq(self) -> float | None:
        """Emissions of reserved hardware that waited, gCO2eq."""
        return _grams(self.idle_wh, self.idle_intensity)

    @property
    def network_gco2eq(self) -> float | None:
        """Emissions of the bytes' way at the intensity of the client's zone, gCO2eq."""
        return _grams(self.network_wh, self.best)

    @property
    def embodied_gco2eq(self) -> float | None:
        """The work's share of making its hardware, gCO2eq; `None` if not reported."""
        return self.energy.embodied_gco2eq if self.energy else None


def _grams(energy_wh: float | None, intensity: Mean | None) -> float | None:
    if energy_wh is None or intensity is None:
        return None
    return emitted_gco2eq(energy_wh, intensity.gco2eq_per_kwh)
