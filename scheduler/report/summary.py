"""The first page of a report: what was used, emitted and avoided, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass

from common.units import show_duration
from scheduler.report.equivalent import EQUIVALENT_SOURCE, petrol
from scheduler.report.report import Report
from scheduler.report.section import Section, Table
from scheduler.report.show import (
    NOT_REPORTED,
    NOT_YET,
    UNKNOWN,
    Show,
    mass,
    names,
    not_settled,
    share,
    time,
)
from scheduler.report.trajectory import Avoided, RunLine

_FASTER = 1.5
"""A grid clock that gains more than this is faster; one that gains less was set once."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures a report leads with."""

    name: str
    value: str
    note: str


def figures(report: Report) -> list[Figure]:
    """Return the figures a report leads with."""
    show, totals = Show.of(report), report.totals
    return [
        Figure(
            "Operational emissions",
            f"{show.grams(totals.settled_gco2eq)} {show.gco2eq}",
            f"electricity of the tasks; range: {range_text(report, show)}",
        ),
        Figure(
            "With modelled network and idle hardware",
            f"{show.grams(totals.extended_gco2eq)} {show.gco2eq}",
            _extension(report, show),
        ),
        Figure(
            "Electricity of the tasks",
            f"{show.energy(totals.energy_wh)} {show.wh}",
            f"{totals.tasks} tasks at {len(report.sites)} sites; {report.counted.tasks} are in "
            "a model",
        ),
    ]


def mark(report: Report) -> str | None:
    """Return the mark of a report that is of no real electricity at no real time; else nothing."""
    if report.simulated:
        return (
            "Simulation: no task took place and no machine used this energy, so these are no "
            "emissions. Do not report them."
        )
    if not report.clock.demonstration:
        return None
    speed = report.clock.speed
    ran = f" and ran {speed:,.0f} times as fast" if speed is not None and speed > _FASTER else ""
    return (
        f"Demonstration: the grid clock was not the real time{ran}. Tasks took place, but not at "
        "the hours stated here, so these are no emissions of any real hour. Do not report them."
    )


def headline(report: Report) -> list[str]:
    """Return the report for a terminal: mark, leading figures, and sentences."""
    marked = mark(report)
    lines = [f"{figure.name}: {figure.value} ({figure.note})." for figure in figures(report)]
    return [*([marked] if marked else []), *lines, *sentences(report)]


def sentences(report: Report) -> list[str]:
    """Return what stands under the leading figures: when, how much, against what."""
    show, totals = Show.of(report), report.totals
    lines = [
        (
            f"From {time(report.began)} to {time(report.ended)} UTC, {len(report.sites)} sites in "
            f"{len(report.zones)} zones worked on {totals.tasks} tasks for "
            f"{names([run.id for run in report.runs])}."
        ),
        f"As booked at first: {show.grams(totals.gco2eq)} {show.gco2eq}. {_settling(report)}",
        (
            f"One equivalent: burning {petrol(totals.extended_gco2eq)} of petrol emits as much. "
            f"Source: {EQUIVALENT_SOURCE}."
        ),
    ]
    lines += [_waiting(run, show, report) for run in report.runs if run.booked.share is not None]
    lines += [
        f"Stayed at the sites of {run.id}: {run.stayed}." for run in report.runs if run.stayed
    ]
    lines += [line for run in report.runs for line in _robust(run)]
    lines += _limits(report)
    if totals.unknown_wh:
        unknown = f"{show.energy(totals.unknown_wh)} {show.wh}"
        lines.append(f"The emissions of {unknown} are unknown and in no sum.")
    if totals.unreported:
        lines.append(
            f"Energy not reported by the site: {totals.unreported} of {totals.tasks} tasks. "
            "It is unknown, not zero."
        )
    return lines


def _robust(run: RunLine) -> list[str]:
    """Return by which robust rule a run combined updates, and whom it leaves out."""
    if run.robust is None:
        return []
    kept = f" Of an equal weight kept: {run.kept}." if run.kept else ""
    return [
        f"Updates of {run.id} are combined by: {run.robust}.{kept}",
        *(each.sentence for each in run.left_out),
    ]


def _extension(report: Report, show: Show) -> str:
    totals = report.totals
    network = show.grams(totals.network_gco2eq)
    if totals.idle_wh is None:
        return f"network {network}; idle hardware {NOT_REPORTED}"
    return f"network {network}; idle hardware {show.grams(totals.idle_gco2eq)}"


def _limits(report: Report) -> list[str]:
    """Return the target and the budgets, and how much of each was used."""
    lines = []
    if report.target_gco2eq is not None:
        part = _part(report.totals.settled_gco2eq, report.target_gco2eq)
        lines.append(
            f"Target: {mass(report.target_gco2eq)}; operational emissions are {share(part)} of it."
        )
    for run in report.runs:
        if run.budget_gco2eq is not None:
            part = _part(run.figures.gco2eq, run.budget_gco2eq)
            lines.append(
                f"Budget of run {run.id}: {mass(run.budget_gco2eq)}; "
                f"{share(part)} of it is spent in this period, as booked."
            )
    return lines


def _settling(report: Report) -> str:
    if not report.settles:
        return "The carbon signal is local, so no measured intensities will replace its own later."
    part = _part(report.totals.settled_wh, report.totals.energy_wh)
    return (
        "Intensities measured since, or last estimated by their source, settle "
        f"{share(part)} of the energy so far."
    )


def _waiting(run: RunLine, show: Show, report: Report) -> str:
    avoided = run.booked.avoided_gco2eq or 0.0
    what = "avoided" if avoided >= 0 else "added"
    text = (
        f"Run {run.id}: waiting for clean power {what} {show.grams(abs(avoided))} {show.gco2eq} "
        f"({share(abs(run.booked.share or 0.0))}) against the run-now baseline, as booked. "
        f"{_delay(run.delay_s)}"
    )
    settled = show.grams(run.settled.avoided_gco2eq, NOT_YET)
    return f"{text} Avoided at measured intensities: {settled}." if report.settles else text


def _delay(delay_s: float) -> str:
    if abs(delay_s) < 1:
        return "It ended when the baseline ended."
    when = "later" if delay_s > 0 else "earlier"
    return f"It ended {show_duration(abs(delay_s))} {when} than the baseline (grid clock)."


def range_text(report: Report, show: Show) -> str:
    """Return the range of the settled emissions, or that it is not quantified."""
    found = report.uncertainty
    if found.low_gco2eq is None or found.high_gco2eq is None:
        return "not quantified"
    return f"{show.grams(found.low_gco2eq)} to {show.grams(found.high_gco2eq)}"


def totals_section(report: Report, show: Show) -> Section:
    """Return the totals, operational and apart from them idle, network and embodied."""
    totals = report.totals
    rows = [
        ["Operational, as booked", show.energy(totals.energy_wh), show.grams(totals.gco2eq)],
        [
            "Operational, settled", show.energy(totals.energy_wh),
            show.grams(totals.settled_gco2eq),
        ],
        ["  of it in models", show.energy(report.counted.energy_wh),
         show.grams(report.counted.settled_gco2eq)],
        ["  of it not counted", show.energy(report.uncounted.energy_wh),
         show.grams(report.uncounted.settled_gco2eq)],
        ["Idle hardware", show.energy(totals.idle_wh, NOT_REPORTED),
         show.grams(totals.idle_gco2eq, UNKNOWN if totals.idle_wh is not None else NOT_REPORTED)],
        ["Network (modelled)", show.energy(totals.network_wh), show.grams(totals.network_gco2eq)],
        ["With network and idle hardware", "-", show.grams(totals.extended_gco2eq)],
        ["Embodied", "-", show.grams(totals.embodied_gco2eq, NOT_REPORTED)],
        ["All of it, as far as known", "-", show.grams(totals.all_gco2eq)],
    ]  # fmt: skip
    return Section(
        "Totals",
        [f"Carbon intensities count: {report.family or UNKNOWN}. Emissions are location-based."],
        tables=[Table(["emissions of", f"energy, {show.wh}", show.gco2eq], rows)],
        notes=_left_out(report, show),
    )


def avoided_section(report: Report, show: Show) -> Section:
    """Return what waiting avoided, by run, at booked and at settled intensities side by side."""
    rows = [_avoided_row(run, show, not_settled(report)) for run in report.runs]
    return Section(
        "Avoided by waiting",
        [
            ("Against the run-now baseline: the same cohorts and the same energy without waiting "
            "for clean power, under the same readings. Only closed rounds have a baseline. What "
            "the choice of place avoided is in the table of rounds."),
        ],
        tables=[
            Table(
                [
                    "run",
                    *(
                        f"{figure}, {when}, {show.gco2eq}" if figure != "share" else figure
                        for when in ("booked", "settled")
                        for figure in ("counted", "baseline", "avoided", "share")
                    ),
                ],
                rows,
            )
        ],
        notes=[_settled_so_far(run, show) for run in report.runs if report.settles],
    )  # fmt: skip


def _settled_so_far(run: RunLine, show: Show) -> str:
    closed = [line for line in run.rounds if line.status == "closed"]
    known = [g for line in closed if (g := line.settled.avoided_gco2eq) is not None]
    text = f"{run.id}: {len(known)} of {len(closed)} closed rounds and their baselines are measured"
    return (
        f"{text}; in these, waiting avoided {show.grams(sum(known))} {show.gco2eq}."
        if known
        else f"{text}."
    )


def _avoided_row(run: RunLine, show: Show, not_yet: str) -> list[str]:
    return [
        run.id,
        *avoided_cells(run.booked, show, UNKNOWN),
        *avoided_cells(run.settled, show, not_yet),
    ]


def avoided_cells(found: Avoided, show: Show, otherwise: str) -> list[str]:
    """Return emissions, baseline, the difference and its share."""
    return [
        show.grams(found.gco2eq, otherwise),
        show.grams(found.baseline_gco2eq, otherwise),
        show.grams(found.avoided_gco2eq, otherwise),
        share(found.share, otherwise),
    ]


def _left_out(report: Report, show: Show) -> list[str]:
    totals = report.totals
    notes = []
    if totals.unknown_wh:
        notes.append(f"Emissions unknown: of {show.energy(totals.unknown_wh)} {show.wh}.")
    if totals.apart_gco2eq:
        notes.append(
            f"Known in another family of intensities alone, and so in no sum: "
            f"{show.grams(totals.apart_gco2eq)} {show.gco2eq}."
        )
    if totals.unreported:
        notes.append(f"Energy not reported by the site: of {totals.unreported} tasks.")
    return notes


def _part(some: float, whole: float) -> float | None:
    return some / whole if whole else None
