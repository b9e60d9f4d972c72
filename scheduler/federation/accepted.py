"""An accepted update: its bytes, its weight, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from common.messages import Timings
from scheduler.ledger.events import UpdateAccepted


@dataclass(frozen=True, slots=True)
class Accepted:
    """An update that counts in the open round; `None` is unknown.

    Attributes:
        sha256: The blob of its bytes.
        weight: What it counts in the aggregate, relative to the others.
        num_examples: Examples that count.
        energy_wh: Electricity of the work at the wall, Wh.
        gco2eq: Its emissions as booked, gCO2eq.
        started_at: When the work began, grid clock.
        ended_at: When it was done, grid clock.
        latency_s: From issue to acceptance, wall seconds.
        utility: Statistical utility as Oort defines it.
        timings: Where the site's wall seconds went.
        accept_s: How long it took the coordinator to accept it, wall seconds.
        metrics: The score of the pulled model on held-out examples, by metric.
        num_held_out: Held-out examples.
    """

    sha256: str
    weight: int
    num_examples: int
    energy_wh: float | None
    gco2eq: float | None
    started_at: datetime
    ended_at: datetime
    latency_s: float
    utility: float | None
    timings: Timings
    accept_s: float
    metrics: dict[str, float]
    num_held_out: int

    @classmethod
    def from_payload(cls, kept: UpdateAccepted) -> Self:
        """Return what a round remembers of an ``update.accepted`` event."""
        work, admission = kept.work, kept.admission
        return cls(
            sha256=admission.sha256,
            weight=admission.weight,
            num_examples=admission.num_examples,
            energy_wh=work.energy_wh,
            gco2eq=work.gco2eq,
            started_at=work.grid_started_at,
            ended_at=work.grid_ended_at,
            latency_s=admission.latency_s,
            utility=work.utility,
            timings=admission.timings,
            accept_s=admission.accept_s,
            metrics=work.metrics,
            num_held_out=work.num_held_out,
        )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A site's score of the version it pulled, and on how many held-out examples."""

    metrics: dict[str, float]
    num_held_out: int
