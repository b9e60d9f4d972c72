"""What a site did, folded from its journal: every piece of work once, and their totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Literal

from common.messages import Outcome
from common.units import emitted_gco2eq
from tasks.site.entry import Answered, Begun, Entry, Sent


@dataclass(frozen=True)
class Task:
    """One piece of work, or one decline. Times are on the wall clock.

    Attributes:
        outcome: ``unfinished`` where the journal has no answer: it is in work, or was cut short.
        ended_at: `None` if unfinished.
        energy_wh: At the wall; `None` if unknown.
        energy_method: How the energy was found.
        intensity_gco2eq_per_kwh: Of the site's grid, as the assignment brought it.
        gco2eq: The energy times that intensity; `None` if either is unknown.
        sent_nbytes: Size of its update, each time that it was sent.
    """

    run: str
    round: int
    attempt: int
    workload: str
    outcome: Outcome | Literal["unfinished"]
    started_at: datetime
    ended_at: datetime | None = None
    energy_wh: float | None = None
    energy_method: str | None = None
    intensity_gco2eq_per_kwh: float | None = None
    gco2eq: float | None = None
    sent_nbytes: int = 0
    reason_code: str | None = None
    reason: str | None = None

    @property
    def at(self) -> datetime:
        """When it ended, or began if it did not end."""
        return self.ended_at or self.started_at


@dataclass(frozen=True)
class SiteTotals:
    """What a site did in a span of time. An assignment counts once, however often it ran.

    Attributes:
        energy_wh: Of all work whose energy is known, at the wall.
        unknown_energy: Pieces of work whose energy is not.
        gco2eq: Of that energy, where the intensity is known.
        unknown_intensity_wh: The energy where it is not.
        sent_nbytes: Of updates; messages have about 2 kB each and are left out.
        reasons: How many assignments were declined or failed for each reason, by its code.
    """

    energy_wh: float = 0.0
    unknown_energy: int = 0
    gco2eq: float = 0.0
    unknown_intensity_wh: float = 0.0
    sent_nbytes: int = 0
    trained: int = 0
    evaluated: int = 0
    declined: int = 0
    failed: int = 0
    unfinished: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def tasks_of(entries: Iterable[Entry]) -> list[Task]:
    """Return every piece of work once, in the order in which they began."""
    tasks: dict[tuple[str, int, datetime], Task] = {}
    newest: dict[tuple[str, int], tuple[str, int, datetime]] = {}
    for entry in entries:
        match entry:
            case Begun():
                key = (entry.run, entry.round, entry.at)
                tasks[key] = Task(
                    entry.run, entry.round, entry.attempt, entry.workload, "unfinished", entry.at
                )
            case Answered():
                key = (entry.run, entry.round, entry.started_at)
                sent = tasks[key].sent_nbytes if key in tasks else 0
                tasks[key] = replace(_answered(entry), sent_nbytes=sent)
                newest[entry.run, entry.round] = key
            case Sent():
                of = newest.get((entry.run, entry.round))
                if of is not None:
                    tasks[of] = replace(tasks[of], sent_nbytes=tasks[of].sent_nbytes + entry.nbytes)
    return sorted(tasks.values(), key=lambda task: task.started_at)


def totals(entries: Sequence[Entry], *, since: datetime) -> SiteTotals:
    """Return what the site did since a time; work counts when it ended."""
    tasks = [task for task in tasks_of(entries) if task.at >= since]
    worked = [task for task in tasks if task.outcome not in {"declined", "unfinished"}]
    worked += [task for task in tasks if task.outcome == "declined" and task.energy_wh is not None]
    known = [task for task in worked if task.energy_wh is not None]
    counts = Counter(task.outcome for task in _each_once(tasks))
    return SiteTotals(
        energy_wh=sum(task.energy_wh or 0.0 for task in known),
        unknown_energy=len(worked) - len(known),
        gco2eq=sum(task.gco2eq or 0.0 for task in known),
        unknown_intensity_wh=sum(task.energy_wh or 0.0 for task in known if task.gco2eq is None),
        sent_nbytes=sum(e.nbytes for e in entries if isinstance(e, Sent) and e.at >= since),
        trained=counts["trained"],
        evaluated=counts["evaluated"],
        declined=counts["declined"],
        failed=counts["failed"],
        unfinished=counts["unfinished"],
        reasons=dict(Counter(t.reason_code for t in _each_once(tasks) if t.reason_code)),
    )


def as_row(task: Task) -> dict[str, object]:
    """Return a task as a row of a table: names with their units, times as ISO 8601."""
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in asdict(task).items()
    }


def _answered(entry: Answered) -> Task:
    energy, intensity = entry.energy, entry.intensity_gco2eq_per_kwh
    grams = None
    if energy is not None and intensity is not None:
        grams = emitted_gco2eq(energy.energy_wh, intensity)
    return Task(
        entry.run, entry.round, entry.attempt, entry.workload, entry.outcome, entry.started_at,
        ended_at=entry.ended_at,
        energy_wh=energy.energy_wh if energy else None,
        energy_method=energy.method if energy else None,
        intensity_gco2eq_per_kwh=intensity,
        gco2eq=grams,
        reason_code=entry.reason.code if entry.reason else None,
        reason=entry.reason.text if entry.reason else None,
    )  # fmt: skip


def _each_once(tasks: Iterable[Task]) -> list[Task]:
    """Return the last piece of work of each assignment.

    An update or a score is worth the same however often it was made; a decline or a failure is one
    a time that the assignment was issued.
    """
    last: dict[tuple[object, ...], Task] = {}
    for task in tasks:
        done = task.outcome in {"trained", "evaluated"}
        last[task.run, task.round, task.outcome, None if done else task.attempt] = task
    return list(last.values())
