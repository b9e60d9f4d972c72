"""An accepted update: its bytes, its weight, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from common.messages import Timings
from scheduler.accounting.plausible import plausible_timings
from scheduler.ledger.events import Admission, WorkRecord


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A site's score of the version it pulled; `None` where a metric was not finite."""

    metrics: dict[str, float | None]
    num_held_out: int

    @classmethod
    def by(cls, work: WorkRecord) -> Self:
        """Return what a piece of work says of it."""
        return cls(work.metrics, work.num_held_out)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An update that counts in the open round; `None` is unknown.

    Attributes:
        sha256: The blob of its bytes.
        issued: The round in which its assignment was issued.
        weight: What it counts in the aggregate, relative to the others.
        full_weight: What it would count had it been trained from the newest version.
        num_examples: Examples that count.
        num_steps: Steps that the site's optimizer took.
        energy_wh: Electricity of the work at the wall, Wh.
        gco2eq: Its emissions as booked, gCO2eq.
        started_at: When the work began, grid clock.
        ended_at: When it was done, grid clock.
        latency_s: From issue to acceptance, wall seconds.
        utility: Statistical utility as Oort defines it.
        timings: Where the site's wall seconds went.
        accept_s: How long it took the coordinator to accept it, wall seconds.
        metrics: The site's score of the pulled model; `None` where a metric was not finite.
        num_held_out: On how many held-out examples that is.
    """

    sha256: str
    issued: int
    weight: int
    full_weight: int
    num_examples: int
    num_steps: int | None
    energy_wh: float | None
    gco2eq: float | None
    started_at: datetime
    ended_at: datetime
    latency_s: float
    utility: float | None
    timings: Timings
    accept_s: float
    metrics: dict[str, float | None]
    num_held_out: int

    @classmethod
    def by(cls, work: WorkRecord, admission: Admission, issued: int) -> Self:
        """Return what a round remembers of an update, whose assignment that round issued."""
        return cls(
            sha256=admission.sha256,
            issued=issued,
            weight=admission.weight,
            full_weight=admission.full_weight,
            num_examples=admission.num_examples,
            num_steps=work.num_steps,
            energy_wh=work.energy_wh,
            gco2eq=work.gco2eq,
            started_at=work.grid_started_at,
            ended_at=work.grid_ended_at,
            latency_s=admission.latency_s,
            utility=work.utility,
            timings=plausible_timings(admission.timings, admission.latency_s),
            accept_s=admission.accept_s,
            metrics=work.metrics,
            num_held_out=work.num_held_out,
        )
