"""Every round of a run, read once: the rows of its table, and the columns of its charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Run
from scheduler.federation.round import Round
from scheduler.status.rounds import plus
from scheduler.status.scores import reported
from tasks.monitor.page.query import RoundQuery, Sortable, in_order, page_of
from tasks.monitor.page.thinning import merged, power_of_two, thinned

MOST_POINTS: Final = 400
"""Points of the curve of the metric; a screen is not much wider."""

_BANDS_ACROSS: Final = 600
"""Rounds closer than this part of the chart's width are one band."""

_NAMED: Final = 8
"""So many clients of a cohort are named in a row; the row has the number of all."""


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round; times in epoch seconds on the grid clock, what is not known yet is `None`.

    `staleness` is by how many versions the bases of its updates were too old, on average, in a run
    in which they can be.
    `reported` says how many sites are behind its value, where not all of them are.
    """

    round: int
    started: float
    ended: float | None
    value: float | None
    energy_wh: float | None
    gco2eq: float | None
    baseline_gco2eq: float | None
    cumulative_gco2eq: float | None
    cumulative_baseline_gco2eq: float | None
    cohort: tuple[str, ...]
    reported: dict[str, int] | None = None
    staleness: float | None = None


@dataclass
class RunHistory:
    """The rounds of one run; `read` takes in what is new, so the archive is read once.

    Attributes:
        rows: All closed rounds, oldest first.
    """

    rows: list[RoundRow] = field(default_factory=list)
    _pages: dict[int, str] = field(default_factory=dict)

    def read(self, run: Run) -> Sequence[RoundRow]:
        """Return all rounds of a run, the one under way last."""
        for closed in self._changed(run):
            self._put(closed, run)
        under_way = run.round_under_way
        if under_way is None or under_way.evaluates:
            return list(self.rows)
        return [*self.rows, _open(under_way)]

    def _changed(self, run: Run) -> Iterator[ClosedRound]:
        """Yield rounds that are new, or that got a score, oldest first."""
        for page in run.closed.pages:
            if self._pages.get(page.first) != page.name:
                self._pages[page.first] = page.name
                yield from run.closed[page.first : page.first + page.count]
        yield from run.closed.recent

    def _put(self, closed: ClosedRound, run: Run) -> None:
        metric = run.spec.metric
        place = closed.number - 1
        before = self.rows[place - 1] if place else None
        row = RoundRow(
            round=closed.number,
            started=closed.started.timestamp(),
            ended=closed.ended.timestamp(),
            value=(closed.metrics or {}).get(metric),
            reported=_partly(closed, metric),
            energy_wh=closed.energy_wh,
            gco2eq=closed.gco2eq,
            baseline_gco2eq=closed.baseline_gco2eq,
            cumulative_gco2eq=plus(before.cumulative_gco2eq if before else 0.0, closed.gco2eq),
            cumulative_baseline_gco2eq=plus(
                before.cumulative_baseline_gco2eq if before else 0.0, closed.baseline_gco2eq
            ),
            cohort=closed.cohort,
            staleness=closed.staleness if run.spec.carries else None,
        )
        if place == len(self.rows):
            self.rows.append(row)
        elif self.rows[place] != row:
            self.rows[place] = row


def _partly(closed: ClosedRound, metric: str) -> dict[str, int] | None:
    found = reported(closed.evaluation, metric)
    return found if found and found["sites"] < found["of_sites"] else None


def _open(under_way: Round) -> RoundRow:
    unknown = (None,) * 7
    started = under_way.grid_planned_at.timestamp()
    return RoundRow(under_way.number, started, *unknown, cohort=tuple(sorted(under_way.cohort)))


# ---- the charts


def curve(rows: Sequence[RoundRow], first: float | None = None) -> dict[str, Any]:
    """Return the columns of the curve of the metric over grams: rounds that have a score.

    It begins with what version 0 was worth, `first`, where that is known: round 0, before any work.
    """
    scored = [row for row in rows if row.value is not None]
    if scored and first is not None:
        start = replace(
            scored[0], round=0, value=first, cumulative_gco2eq=0.0,
            cumulative_baseline_gco2eq=0.0,
        )  # fmt: skip
        scored.insert(0, start)
    kept = thinned(
        [row.round for row in scored], [row.value for row in scored], unit=1, most=MOST_POINTS
    )
    points = [scored[i] for i in kept]
    return {
        "round": [row.round for row in points],
        "value": [row.value for row in points],
        "emitted": [row.cumulative_gco2eq for row in points],
        "baseline": [row.cumulative_baseline_gco2eq for row in points],
    }


def bands(rows: Sequence[RoundRow], since: float, until: float) -> dict[str, Any]:
    """Return when rounds ran, as far as a chart from `since` to `until` shows them.

    Rounds too close to be distinguished are one band, from the first of them to the last.
    """
    inside = [row for row in rows if (until if row.ended is None else row.ended) > since]
    closed = [row for row in inside if row.ended is not None]
    spans = [(row.started, row.ended or row.started) for row in closed]
    resolution = power_of_two(max(1.0, until - since) / _BANDS_ACROSS)
    found = merged(spans, resolution) if len(spans) > _BANDS_ACROSS // 2 else [
        (place, place) for place in range(len(spans))
    ]  # fmt: skip
    return {
        "first": [closed[first].round for first, _ in found],
        "last": [closed[last].round for _, last in found],
        "started": [closed[first].started for first, _ in found],
        "took": [spans[last][1] - spans[first][0] for first, last in found],
    }


def under_way(rows: Sequence[RoundRow]) -> dict[str, Any] | None:
    """Return the round under way: its number, its begin, and how many clients it has."""
    if not rows or rows[-1].ended is not None:
        return None
    last = rows[-1]
    return {"round": last.round, "started": last.started, "clients": len(last.cohort)}


# ---- the table

_COLUMNS: Final[Mapping[str, Callable[[RoundRow], Sortable]]] = {
    "round": lambda row: row.round,
    "took": lambda row: None if row.ended is None else row.ended - row.started,
    "value": lambda row: row.value,
    "energy": lambda row: row.energy_wh,
    "grams": lambda row: row.gco2eq,
    "baseline": lambda row: row.baseline_gco2eq,
}


def round_page(rounds: Sequence[RoundRow], query: RoundQuery) -> dict[str, Any]:
    """Return the rows that a query is about, by number and in order."""
    wanted = query.q.casefold().strip()
    found = [row for row in rounds if not wanted or _has(row, wanted)]
    if query.sort == "round":
        ordered = found[::-1] if query.descending else found
    else:
        ordered = in_order(found, _COLUMNS[query.sort], descending=query.descending)
    rows, place = page_of(ordered, query)
    return {
        **place,
        "all": len(rounds),
        "order": [row.round for row in rows],
        "rows": {str(row.round): _shown(row) for row in rows},
    }


def _has(row: RoundRow, wanted: str) -> bool:
    if wanted.isdecimal():
        return str(row.round) == wanted
    return any(wanted in name.casefold() for name in row.cohort)


def _shown(row: RoundRow) -> dict[str, Any]:
    return {
        "round": row.round,
        "started": row.started,
        "ended": row.ended,
        "value": row.value,
        "reported": row.reported,
        "energy_wh": row.energy_wh,
        "gco2eq": row.gco2eq,
        "baseline_gco2eq": row.baseline_gco2eq,
        "staleness": row.staleness,
        "cohort": list(row.cohort[:_NAMED]),
        "clients": len(row.cohort),
    }
