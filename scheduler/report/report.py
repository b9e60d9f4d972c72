"""A report: plain figures of a federation and a period, made from the ledger's events alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from common.errors import FederationError
from common.messages import SIMULATED
from scheduler.accounting.booking import Booking
from scheduler.carbon.sources import LOCAL_SOURCES
from scheduler.ledger.event import Event
from scheduler.report.annual import AnnualFigure, annual_figure
from scheduler.report.basis import FigureBasis, figure_bases
from scheduler.report.clock_use import ClockUse
from scheduler.report.folded_events import Fallback, FoldedEvents, SourceUse
from scheduler.report.sums import ReportSums, add_up, energy_of
from scheduler.report.trajectory import RunLine, avoided, run_line
from scheduler.report.uncertainty import Range, range_of

SETTLED_QUALITY = "intensity: quality, settled"
"""The kind of `Share` that says of what quality the intensities are that the figures rest on."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report covers: one run or all, and rounds planned in `[since, until)`, grid clock.

    Work belongs to the period and the month in which its round was planned, so no round is split.
    """

    run: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, run: str, at: datetime) -> bool:
        """Return whether a round of a run, planned at an instant, is in the report."""
        return (
            self.run in (None, run)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a report comes from, so that it can be checked.

    Attributes:
        made_at: On the wall clock.
        fairwind: The version of Fairwind that made it.
        events: Events of the ledger that were read; their chain of hashes was verified.
        head: The hash of the last of them.
    """

    made_at: datetime
    fairwind: str
    events: int
    head: str


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of the bookings that share something: a site, a zone, a month, an outcome."""

    name: str
    note: str
    figures: ReportSums


@dataclass(frozen=True, slots=True)
class SiteMonth:
    """The figures of one site, in one zone, in one month."""

    month: str
    site: str
    zone: str
    figures: ReportSums


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the energy has figures of one kind: by method, quality or source."""

    of: str
    name: str
    energy_wh: float
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a report. Times are on the grid clock; see `Scope` and `Provenance`.

    Attributes:
        clock: How the grid clock ran against the wall clock.
        simulated: Whether the ledger is a simulation's, in which no machine used any energy.
        began: When the first work began.
        ended: When the last work ended.
        target_gco2eq: What the reader aims at, settled; `None` without a target.
        sites_by_month: The figures of each site in each month, named month and site.
        family: What the carbon intensities count; `None` if none was ever known.
        totals: All work; `counted` and `uncounted` are its parts.
        uncertainty: The range of the totals' settled emissions.
        shares: How energy and intensities were found, as shares of the energy.
        figures: What each figure rests on.
        annual: The emissions at annual factors, beside those by the hour.
        settles: Whether measured intensities come later; a local signal knows no better ones.
    """

    provenance: Provenance
    scope: Scope
    clock: ClockUse
    simulated: bool
    began: datetime
    ended: datetime
    target_gco2eq: float | None
    family: str | None
    totals: ReportSums
    counted: ReportSums
    uncounted: ReportSums
    uncertainty: Range
    runs: tuple[RunLine, ...]
    sites: tuple[Group, ...]
    zones: tuple[Group, ...]
    months: tuple[Group, ...]
    sites_by_month: tuple[SiteMonth, ...]
    outcomes: tuple[Group, ...]
    shares: tuple[Share, ...]
    figures: tuple[FigureBasis, ...]
    annual: AnnualFigure
    settles: bool
    sources: tuple[SourceUse, ...]
    fallbacks: tuple[Fallback, ...]
    bookings: tuple[Booking, ...]

    def timeline(self) -> list[Booking]:
        """Return the bookings with known times, by the instant at which they ended."""
        timed = [b for b in self.bookings if b.ended_at is not None]
        return sorted(timed, key=lambda b: b.ended_at or self.ended)


def make_report(
    events: Iterable[Event],
    *,
    provenance: Provenance,
    scope: Scope,
    target_gco2eq: float | None = None,
) -> Report:
    """Return the report of the events.

    Args:
        events: All events of the ledger, in order.
        provenance: See there.
        scope: See there.
        target_gco2eq: What the reader aims at.

    Raises:
        FederationError: If the run does not exist, or no work is in the scope.
    """
    log = FoldedEvents()
    for event in events:
        log.see(event)
    _refuse_unknown_run(log, scope)
    bookings = _in_scope(log, scope)
    if not bookings:
        msg = (
            "No work was booked in this period, so there is nothing to report. "
            "`fairwind status` shows what there is; --since and --until are on the grid clock."
        )
        raise FederationError(msg)
    runs = [
        run_line(run, [b for b in bookings if b.run == run.id], log.planned, log.state)
        for run in log.state.runs.values()
        if any(b.run == run.id for b in bookings)
    ]
    zones = {b.zone for b in bookings}
    began = min(b.started_at or _placed(b, log) for b in bookings)
    ended = max(b.ended_at or _placed(b, log) for b in bookings)
    since, until = scope.since or began, scope.until or max(log.last or ended, ended)
    sources = tuple(log.sources[key] for key in sorted(log.sources) if key[0] in zones)
    annual = annual_figure(bookings, log.readings, log.state.book.family)
    return Report(
        provenance=provenance,
        scope=scope,
        clock=log.clock,
        simulated=any(b.energy is not None and b.energy.method == SIMULATED for b in bookings),
        began=began,
        ended=ended,
        target_gco2eq=target_gco2eq,
        family=str(log.state.book.family) if log.state.book.family else None,
        totals=add_up(bookings),
        counted=add_up(b for b in bookings if b.outcome == "counted"),
        uncounted=add_up(b for b in bookings if b.outcome != "counted"),
        uncertainty=range_of(bookings, log.spread),
        runs=tuple(runs),
        sites=_groups(bookings, lambda b: b.client, note=lambda b: b.zone),
        zones=_groups(bookings, lambda b: b.zone),
        months=_groups(bookings, lambda b: _month(b, log)),
        sites_by_month=_sites_by_month(bookings, log),
        outcomes=_groups(bookings, lambda b: b.outcome),
        shares=_shares(bookings),
        figures=figure_bases(
            bookings, sources, annual=annual, avoided_gco2eq=avoided(run.booked for run in runs)
        ),
        annual=annual,
        settles=any(_settles(booking) for booking in bookings),
        sources=sources,
        fallbacks=tuple(f for f in _fallbacks(log, since, until) if f.zone in zones),
        bookings=tuple(bookings),
    )


def _refuse_unknown_run(log: FoldedEvents, scope: Scope) -> None:
    if scope.run is not None and scope.run not in log.state.runs:
        known = ", ".join(log.state.runs) or "none yet"
        msg = f"There is no run {scope.run!r}, so there is nothing to report. There are: {known}."
        raise FederationError(msg)


def _in_scope(log: FoldedEvents, scope: Scope) -> list[Booking]:
    inside = [b for b in log.state.book if scope.covers(b.run, _placed(b, log))]
    return sorted(inside, key=lambda b: (_placed(b, log), b.run, b.round, b.client))


def _placed(booking: Booking, log: FoldedEvents) -> datetime:
    """Return when the round of some work was planned; if it never was, when the work began."""
    planned = log.planned.get((booking.run, booking.round)) or booking.started_at
    return planned or log.state.runs[booking.run].grid_started_at


def _month(booking: Booking, log: FoldedEvents) -> str:
    return f"{_placed(booking, log).astimezone(UTC):%Y-%m}"


def _sites_by_month(bookings: Sequence[Booking], log: FoldedEvents) -> tuple[SiteMonth, ...]:
    cells: dict[tuple[str, str, str], list[Booking]] = {}
    for booking in bookings:
        key = (_month(booking, log), booking.client, booking.zone)
        cells.setdefault(key, []).append(booking)
    return tuple(SiteMonth(*key, add_up(some)) for key, some in sorted(cells.items()))


def _settles(booking: Booking) -> bool:
    booked = booking.booked
    return booking.settled is not None or (
        booked is not None and not {*booked.sources} <= LOCAL_SOURCES
    )


def _fallbacks(log: FoldedEvents, since: datetime, until: datetime) -> list[Fallback]:
    """Return the fallbacks of a period, those that were in force at its begin first."""
    before = {fallback.zone: fallback for fallback in log.fallbacks if fallback.at < since}
    in_force = [
        fallback for fallback in before.values() if fallback.active_source != fallback.expected
    ]
    return [*in_force, *(f for f in log.fallbacks if since <= f.at <= until)]


def _groups(
    bookings: Sequence[Booking],
    key: Callable[[Booking], str],
    *,
    note: Callable[[Booking], str] = lambda _: "",
) -> tuple[Group, ...]:
    groups: dict[str, list[Booking]] = {}
    for booking in bookings:
        groups.setdefault(key(booking), []).append(booking)
    return tuple(
        Group(name, ", ".join(sorted({note(b) for b in some})), add_up(some))
        for name, some in sorted(groups.items())
    )


def _shares(bookings: Sequence[Booking]) -> tuple[Share, ...]:
    """Return how the figures were found, by energy; the shares of each kind make the whole."""
    kinds: dict[str, Callable[[Booking], str]] = {
        "energy: quality": lambda b: b.energy.quality if b.energy else "",
        "energy: method": lambda b: b.energy.method if b.energy else "",
        "intensity: quality, booked": lambda b: b.booked.quality if b.booked else "unknown",
        SETTLED_QUALITY: lambda b: b.best.quality if b.best else "unknown",
        "intensity: signal": lambda b: " + ".join(b.best.sources) if b.best else "unknown",
    }
    measured = [b for b in bookings if b.energy is not None]
    whole = energy_of(measured)
    found = []
    for kind, of in kinds.items():
        for name in sorted({of(b) for b in measured}):
            energy_wh = energy_of(b for b in measured if of(b) == name)
            found.append(Share(kind, name, energy_wh, energy_wh / whole if whole else 0.0))
    return tuple(found)
