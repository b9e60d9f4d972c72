"""Tables of a run: its rounds, its sites' work and its parameters. Unknown is an empty cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler.accounting.booking import Booking
from scheduler.export.parameters import parameters
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.run import Run
from scheduler.ledger.events import Evaluation, WorkRecord

Cell = str | int | float | None
Row = dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Columns in order, and rows by column; what a row lacks, or is `None`, is unknown."""

    columns: tuple[str, ...]
    rows: list[Row]


_ROUND = (
    "round", "version", "started", "ended", "closed_at", "wall_s", "clients", "energy_wh",
    "gco2eq", "baseline_gco2eq", "avoided_gco2eq", "cumulative_energy_wh", "cumulative_gco2eq",
    "staleness", "evaluated_by", "sites", "held_out_examples", "partly",
)  # fmt: skip

_WORK = (
    "round", "client", "zone", "outcome", "started", "ended", "examples", "steps",
    "training_loss", "energy_wh", "gco2eq_per_kwh", "gco2eq", "settled_gco2eq", "version",
    "held_out_examples",
)  # fmt: skip


def rounds_table(run: Run, closed_at: dict[int, datetime]) -> Table:
    """Return a row a closed round, and one of version 0; metrics are those of the version it made.

    Where coordinator and sites evaluate, the metrics of the sites have names with ``sites/``.

    Args:
        run: The run.
        closed_at: When each round was closed, by number, wall clock.
    """
    rounds = list(run.closed)
    at_first = rounds[0].held_out if rounds and run.scored_here else None
    rows: list[Row] = []
    if run.first_evaluation is not None or at_first is not None:
        rows.append({"round": 0} | _scores(run.first_evaluation, at_first))
    energy_wh = gco2eq = 0.0
    for closed in rounds:
        energy_wh, gco2eq = energy_wh + closed.energy_wh, gco2eq + closed.gco2eq
        sums: Row = {"cumulative_energy_wh": energy_wh, "cumulative_gco2eq": gco2eq}
        at = _time(closed_at.get(closed.number))
        rows.append(_round(closed) | sums | {"closed_at": at})
    return Table(_with_others(_ROUND, rows), rows)


def work_table(pieces: Iterable[tuple[Booking, WorkRecord | None]]) -> Table:
    """Return a row a piece of work of a site; metrics are those of the version that it pulled."""
    rows = [_piece(booking, work) for booking, work in pieces]
    return Table(_with_others(_WORK, rows), rows)


def parameters_table(run: Run) -> Table:
    """Return a row an entry of the run's specification."""
    rows: list[Row] = [{"name": name, "value": x} for name, x in parameters(run.spec).items()]
    return Table(("name", "value"), rows)


def _round(closed: ClosedRound) -> Row:
    baseline = closed.baseline_gco2eq
    return {
        "round": closed.number,
        "version": closed.version,
        "started": _time(closed.started),
        "ended": _time(closed.ended),
        "wall_s": closed.wall_seconds,
        "clients": len(closed.cohort),
        "energy_wh": closed.energy_wh,
        "gco2eq": closed.gco2eq,
        "baseline_gco2eq": baseline,
        "avoided_gco2eq": None if baseline is None else baseline - closed.gco2eq,
        "staleness": closed.staleness,
        **_scores(closed.evaluation, closed.at_sites),
    }


def _scores(score: Evaluation | None, beside: Evaluation | None) -> Row:
    """Return the cells of what a version is worth, and at its sites beside the coordinator."""
    found: Row = {}
    for each, prefix in ((score, ""), (beside, "sites/")):
        if each is not None:
            found |= _metrics(each.metrics, _ROUND, prefix)
    at_sites = beside if beside is not None and beside.sites else score
    by = [] if score is None or not score.metrics else ["sites" if score.sites else "coordinator"]
    by += ["sites"] if beside is not None and beside.sites else []
    if at_sites is not None and at_sites.sites:
        found |= {"sites": at_sites.sites, "held_out_examples": at_sites.examples}
        found["partly"] = ";".join(sorted(at_sites.partly)) or None
    return found | {"evaluated_by": "+".join(by) or None}


def _piece(booking: Booking, work: WorkRecord | None) -> Row:
    intensity = booking.settled or booking.booked
    row: Row = {
        "round": booking.round,
        "client": booking.client,
        "zone": booking.zone,
        "outcome": booking.outcome,
        "started": _time(booking.started_at),
        "ended": _time(booking.ended_at),
        "examples": booking.examples or None,
        "energy_wh": booking.energy_wh,
        "gco2eq_per_kwh": intensity.gco2eq_per_kwh if intensity else None,
        "gco2eq": booking.gco2eq,
        "settled_gco2eq": booking.settled_gco2eq if booking.settled else None,
    }
    if work is None:
        return row
    row |= {"steps": work.num_steps, "training_loss": work.loss}
    if work.num_held_out:
        row |= {"version": booking.round - 1, "held_out_examples": work.num_held_out}
    return row | _metrics(work.metrics, _WORK)


def _metrics(found: Mapping[str, float | None], taken: Sequence[str], prefix: str = "") -> Row:
    """Return metrics as cells; one that is named as another column is named ``metric/...``."""
    return {
        f"metric/{name}" if prefix + name in taken else prefix + name: value
        for name, value in found.items()
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _with_others(columns: Sequence[str], rows: Iterable[Row]) -> tuple[str, ...]:
    """Return these columns, then all others that some row has, by name."""
    others = {name for row in rows for name in row} - set(columns)
    return (*columns, *sorted(others))
