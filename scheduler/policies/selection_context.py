"""The selection context: all that a policy may know when it chooses the clients of a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from statistics import median

from scheduler.policies.past_rounds import PastRound, PastUpdate

__all__ = ["Candidate", "PastRound", "PastUpdate", "SelectionContext", "with_median"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that may be invited: alive, idle, and behind an open gate. `None` is unknown.

    Attributes:
        client: Its id.
        zone: Where it draws its power (Electricity Maps id).
        score: From 0 to 1 (best); see `scheduler.selection.score`.
        updates: Counted updates so far, in whichever run.
        num_examples: What it enrolled with, at most.
        utility: Statistical utility of its last updates, as Oort defines it.
        duration_s: Wall seconds from issue to acceptance, moving average.
        energy_wh: Energy of an update with all the run's local epochs, moving average.
        gco2eq: What such an update is expected to emit now.
        intensity_gco2eq_per_kwh: Of its grid now.
        forecast_gco2eq_per_kwh: Of its grid hour by hour, the current one first; empty if the
            policy reads none, and as long as is known without a gap.
        waited_h: Grid hours since it last trained, or since its gate was last open if later.
        idle_w: What its reserved machine draws at the wall while it waits, W, as its site states.
    """

    client: str
    zone: str = ""
    score: float = 0.5
    updates: int = 0
    num_examples: int | None = None
    utility: float | None = None
    duration_s: float | None = None
    energy_wh: float | None = None
    gco2eq: float | None = None
    intensity_gco2eq_per_kwh: float | None = None
    forecast_gco2eq_per_kwh: tuple[float, ...] = ()
    waited_h: float = 0.0
    idle_w: float | None = None

    @property
    def explored(self) -> bool:
        """Whether it has ever contributed an update."""
        return self.updates > 0


def with_median(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Return figures with the median of the known ones for each that is not.

    Where none is known, all are 1: any figure, as long as it is the same.
    """
    known = [figure for figure in figures.values() if figure is not None]
    usual = median(known) if known else 1.0
    return {client: usual if figure is None else figure for client, figure in figures.items()}


@dataclass(frozen=True, slots=True)
class SelectionContext:
    """What a policy may know. It returns ids, each at most once: none means to wait.

    A policy keeps no state between two calls: it folds what it needs to remember from `past`.

    Attributes:
        candidates: The clients that may be invited, by id.
        wanted: Places in the cohort.
        quorum: With fewer than these the round waits.
        number: The round's number, from 1.
        now: On the grid clock.
        rng: Seeded by run and round: the only chance a policy may take.
        past: The closed rounds of the run, oldest first; `past_rounds.num_updates` counts updates.
        num_clients: All enrolled clients.
        spent_gco2eq: What the run has emitted so far.
        grams: The run's gram budget; `None` without one.
        rounds_left: Rounds still to come, this one included; `None` if the run has no such end.
        hours_left: Grid hours until the run's end; `None` if it has no such end.
        interval_h: Grid hours from one round to the next by the run's schedule; 0 if a round may
            follow at once.
        epochs: Local epochs of the run.
        buffer: Updates that make a version of an asynchronous run, in which each client is chosen
            for itself and trains at once; `None` where a cohort trains together.
        one_scale: Whether weights are compared from round to round: then those that are equal
            within a round count, too.
        options: The policy's own parameters, as the run sets them.
    """

    candidates: Sequence[Candidate]
    wanted: int
    quorum: int
    number: int
    now: datetime
    rng: Random
    past: Sequence[PastRound] = ()
    num_clients: int = 0
    spent_gco2eq: float = 0.0
    grams: float | None = None
    rounds_left: int | None = None
    hours_left: float | None = None
    interval_h: float = 0.0
    epochs: int = 1
    buffer: int | None = None
    one_scale: bool = False
    options: Mapping[str, float] = field(default_factory=dict)
