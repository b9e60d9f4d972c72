"""The rounds of a run as a report shows them, with what waiting avoided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.messages import PrivacySpent
from scheduler.accounting.baseline import settled_account
from scheduler.accounting.book import Book
from scheduler.accounting.booking import Booking
from scheduler.federation.applied_weight import AppliedWeight, applied_weight
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation
from scheduler.federation.left_out import LeftOut, kept_text, left_out, rule_text
from scheduler.federation.run import Run
from scheduler.federation.stayed import stayed
from scheduler.report.functional_unit import FunctionalUnits
from scheduler.report.sums import ReportSums, add_up, per

POINT = 0.01
"""One point of a metric such as accuracy, which is a share."""


@dataclass(frozen=True, slots=True)
class Avoided:
    """Counted emissions against the run-now baseline, gCO2eq; `None` where not known (yet)."""

    gco2eq: float | None
    baseline_gco2eq: float | None

    @property
    def avoided_gco2eq(self) -> float | None:
        """What waiting avoided; negative where it made things worse."""
        if self.gco2eq is None or self.baseline_gco2eq is None:
            return None
        return self.baseline_gco2eq - self.gco2eq

    @property
    def share(self) -> float | None:
        """The same as a share of the baseline."""
        avoided = self.avoided_gco2eq
        return (
            avoided / self.baseline_gco2eq if avoided is not None and self.baseline_gco2eq else None
        )


NOT_KNOWN = Avoided(None, None)


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One round: all its work, counted or not. Times are on the grid clock.

    Attributes:
        status: ``closed``, ``open`` or ``cut off``.
        updates: Updates that count.
        value: The run's metric of the version the round made; `None` if it has none.
        points: Points by which it beats the best version before; `None` for the first, or if not.
        booked, settled: Against the baseline at booked and at measured intensities.
        place_gco2eq: What the choice of place avoided, as booked: the same energy at the mean of
            all clients' zones at the same time, less what was emitted.
        sci_per_update, sci_per_point: SCI with an accepted update, and a point, as R.
    """

    run: str
    round: int
    status: str
    started: datetime | None
    ended: datetime | None
    updates: int
    figures: ReportSums
    value: float | None
    points: float | None
    booked: Avoided
    settled: Avoided
    place_gco2eq: float | None
    sci_per_update: float | None
    sci_per_point: float | None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: all its work in the period of the report.

    `sci_per_point` has all points of the best version as R, from nothing on. `units` has the SCI by
    parameter and by FLOP. `budget_gco2eq` is
    the run's gram budget, which is spent by booked emissions; `None` if it has none. `stayed` says
    what of the model never left the sites; `None` where nothing of it stays there. `applied` is
    whose data made the run's versions; `None` where examples are unknown. `robust` is by which
    robust rule updates are combined, `kept` what each client kept of its weight, and `left_out` who
    keeps little; `None`, `None` and empty with the mean.
    """

    id: str
    workload: str
    policy: str
    status: str
    metric: str
    best_value: float | None
    updates: int
    figures: ReportSums
    booked: Avoided
    settled: Avoided
    delay_s: float
    sci_per_update: float | None
    sci_per_point: float | None
    units: FunctionalUnits
    budget_gco2eq: float | None
    stayed: str | None
    applied: AppliedWeight | None
    robust: str | None
    kept: str | None
    left_out: tuple[LeftOut, ...]
    privacy: tuple[tuple[str, PrivacySpent], ...]
    rounds: tuple[RoundLine, ...]


def run_line(
    run: Run,
    bookings: Sequence[Booking],
    planned: Mapping[tuple[str, int], datetime],
    state: Federation,
) -> RunLine:
    """Return a run's line.

    Args:
        run: The run.
        bookings: Its bookings in the period of the report.
        planned: When each round was planned, by run and number.
        state: For the measured intensities of the baseline, and the clients' examples.
    """
    by_round: dict[int, list[Booking]] = {}
    counts_in = _counts_in(run)
    for booking in bookings:
        issued = booking.round
        number = counts_in.get((booking.client, issued), issued)
        by_round.setdefault(number, []).append(booking)
    points = _points(run)
    rounds = [
        _round_line(
            run, number, some, started=_started(run, number, planned), points=points.get(number),
            book=state.book,
        )
        for number, some in sorted(by_round.items())
    ]  # fmt: skip
    figures = add_up(bookings)
    updates = sum(line.updates for line in rounds)
    last = run.closed[-1] if run.closed else None
    best = None if run.lower_is_better else run.best_value
    return RunLine(
        id=run.id, workload=run.spec.workload, policy=run.spec.policy, status=run.status,
        metric=run.spec.metric, best_value=run.best_value, updates=updates, figures=figures,
        booked=_sum(line.booked for line in rounds if line.status == "closed"),
        settled=_sum(line.settled for line in rounds if line.status == "closed"),
        delay_s=(last.ended - last.baseline_ended).total_seconds() if last else 0.0,
        sci_per_update=per(figures.all_gco2eq, updates),
        sci_per_point=per(figures.all_gco2eq, best / POINT if best else None),
        units=FunctionalUnits.of(run.num_params, bookings),
        budget_gco2eq=run.spec.grams, stayed=stayed(run),
        applied=applied_weight(run, state.clients),
        robust=rule_text(run), kept=kept_text(run), left_out=left_out(run),
        privacy=tuple(sorted(run.privacy.items())),
        rounds=tuple(rounds),
    )  # fmt: skip


def _started(run: Run, number: int, planned: Mapping[tuple[str, int], datetime]) -> datetime | None:
    closed = run.closed.find(number)
    return closed.started if closed is not None else planned.get((run.id, number))


def _counts_in(run: Run) -> dict[tuple[str, int], int]:
    """Return by client and round of issue the round in which an update counts, if that is later."""
    later = {
        (line.client, line.issued): closed.number
        for closed in run.closed
        for line in closed.manifest
        if line.issued < closed.number
    }
    if run.open_round is not None:
        for client, update in run.open_round.accepted.items():
            later[client, update.issued] = run.open_round.number
    return later


def _round_line(
    run: Run, number: int, bookings: Sequence[Booking], *, started: datetime | None,
    points: float | None, book: Book,
) -> RoundLine:  # fmt: skip
    closed = run.closed[number - 1] if number <= len(run.closed) else None
    figures = add_up(bookings)
    updates = sum(b.outcome == "counted" for b in bookings)
    return RoundLine(
        run=run.id, round=number, status=_status(run, number, closed), started=started,
        ended=closed.ended if closed else None, updates=updates, figures=figures,
        value=_value(run, closed) if closed else None, points=points,
        booked=Avoided(closed.gco2eq, closed.baseline_gco2eq) if closed else NOT_KNOWN,
        settled=_settled(run, closed, bookings, book) if closed else NOT_KNOWN,
        place_gco2eq=_place(closed),
        sci_per_update=per(figures.all_gco2eq, updates),
        sci_per_point=per(figures.all_gco2eq, points),
    )  # fmt: skip


def _status(run: Run, number: int, closed: ClosedRound | None) -> str:
    if closed is not None:
        return "closed"
    now = run.open_round
    return "open" if now is not None and now.number == number else "cut off"


def _value(run: Run, closed: ClosedRound) -> float | None:
    return (closed.metrics or {}).get(run.spec.metric)


def _points(run: Run) -> dict[int, float]:
    """Return by round the points by which its version beats the best one before."""
    points: dict[int, float] = {}
    best: float | None = None
    for closed in () if run.lower_is_better else run.closed:
        value = closed.whole(run.spec.metric)
        if value is None:
            continue
        if best is not None and value > best:
            points[closed.number] = (value - best) / POINT
        best = value if best is None else max(best, value)
    return points


def _settled(run: Run, closed: ClosedRound, bookings: Sequence[Booking], book: Book) -> Avoided:
    def earlier(booking: Booking) -> timedelta:
        return closed.baseline_shift(booking, is_async=run.spec.is_async)

    found = settled_account(bookings, earlier=earlier, measured=book.measured)
    return Avoided(found.gco2eq, found.baseline_gco2eq) if found else NOT_KNOWN


def _place(closed: ClosedRound | None) -> float | None:
    if closed is None or closed.fleet_gco2eq is None:
        return None
    return closed.fleet_gco2eq - closed.gco2eq


def avoided(accounts: Iterable[Avoided]) -> float | None:
    """Return what some runs avoided together, gCO2eq; `None` as soon as one is unknown."""
    return _sum(accounts).avoided_gco2eq


def _sum(lines: Iterable[Avoided]) -> Avoided:
    """Return the sum over closed rounds, unknown as soon as one of them is."""
    some = list(lines)
    return Avoided(
        _all_or_nothing(some, lambda line: line.gco2eq),
        _all_or_nothing(some, lambda line: line.baseline_gco2eq),
    )


def _all_or_nothing(
    lines: Sequence[Avoided], figure: Callable[[Avoided], float | None]
) -> float | None:
    values = [figure(line) for line in lines]
    known = [value for value in values if value is not None]
    return math.fsum(known) if values and len(known) == len(values) else None
