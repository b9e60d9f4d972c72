"""Points: one figure of one version of a run, as trackers draw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from scheduler.federation.run import Run
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    AssignmentEvaluated,
    Evaluation,
    RoundClosed,
    RoundEvaluated,
    RunEnded,
    RunOpened,
    UpdateAccepted,
)


@dataclass(frozen=True, slots=True)
class Point:
    """One figure. Unknown figures make no point.

    Attributes:
        name: What it is of, with its unit; that of a site begins with ``site/<client>/``.
        step: The version that it is of, or that the round made; 0 is the first.
        value: Finite.
        at: When it became known, wall clock.
    """

    name: str
    step: int
    value: float
    at: datetime


def points_of(event: Event, run: Run) -> Iterator[Point]:
    """Yield the points that an event of a run makes."""
    match event.payload:
        case RunOpened(evaluation=found) if found is not None:
            yield from _evaluation(event, 0, found)
        case RoundClosed() as closed:
            yield from _closed(event, closed, run)
        case RoundEvaluated() as found:
            beside = found.by == "sites" and run.scored_here
            yield from _evaluation(event, event.round, found, "sites/" if beside else "")
        case UpdateAccepted() | AssignmentEvaluated():
            yield from _answer(event, event.payload)
        case RunEnded():
            totals = run.totals
            figures = {"energy_wh": totals.uncounted_wh, "gco2eq": totals.uncounted_gco2eq}
            yield from _points(event, len(run.closed), figures, "emissions/uncounted_")
        case _:
            pass


def _closed(event: Event, closed: RoundClosed, run: Run) -> Iterator[Point]:
    figures = {
        "energy_wh": closed.energy_wh,
        "gco2eq": closed.gco2eq,
        "baseline_gco2eq": closed.baseline_gco2eq,
    }
    yield from _points(event, event.round, figures, "emissions/")
    if event.round == 1 and closed.held_out is not None:
        # Those that train in round 1 pull version 0.
        yield from _evaluation(event, 0, closed.held_out, "sites/" if run.scored_here else "")


def _evaluation(event: Event, step: int, found: Evaluation, prefix: str = "") -> Iterator[Point]:
    yield from _points(event, step, found.metrics, prefix)


def _answer(event: Event, answer: UpdateAccepted | AssignmentEvaluated) -> Iterator[Point]:
    work, prefix = answer.work, f"site/{event.client}/"
    yield from _points(event, event.round - 1, work.metrics, prefix)
    yield from _points(event, event.round, {"loss": work.loss}, f"{prefix}training/")
    figures = {"energy_wh": work.energy_wh, "gco2eq": work.gco2eq}
    yield from _points(event, event.round, figures, f"{prefix}emissions/")


def _points(
    event: Event, step: int, figures: Mapping[str, float | None], prefix: str = ""
) -> Iterator[Point]:
    for name, value in figures.items():
        if value is not None:
            yield Point(prefix + name, step, value, event.at)
