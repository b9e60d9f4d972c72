"""The first page of a report: what was used, emitted and avoided, and what is not known."""

from __future__ import annotations

from common.units import show_duration
from scheduler.report.report import Report
from scheduler.report.section import Section, Table
from scheduler.report.show import (
    NOT_REPORTED,
    NOT_YET,
    UNKNOWN,
    Show,
    names,
    not_settled,
    share,
    time,
)
from scheduler.report.trajectory import Avoided, RunLine


def headline(report: Report) -> list[str]:
    """Return the report in a few sentences, for its head and for a terminal."""
    show, totals = Show.of(report), report.totals
    lines = [
        (
            f"From {time(report.since)} to {time(report.until)} UTC, {len(report.sites)} sites in "
            f"{len(report.zones)} zones did {totals.pieces} pieces of work for "
            f"{names([run.id for run in report.runs])}; {report.counted.pieces} are in a model."
        ),
        (
            f"They used {show.energy(totals.energy_wh)} {show.wh} and emitted "
            f"{show.grams(totals.settled_gco2eq)} {show.gco2eq} (range: "
            f"{range_text(report, show)}); as booked at first, {show.grams(totals.gco2eq)} "
            f"{show.gco2eq}."
        ),
        _settling(report),
    ]
    lines += [_waiting(run, show, report) for run in report.runs if run.booked.share is not None]
    if totals.unknown_wh:
        unknown = f"{show.energy(totals.unknown_wh)} {show.wh}"
        lines.append(f"The emissions of {unknown} are unknown and in no sum.")
    if totals.unreported:
        lines.append(
            f"Work that never reported its energy: {totals.unreported} of {totals.pieces} pieces. "
            "It is unknown, not zero."
        )
    return lines


def _settling(report: Report) -> str:
    if not report.settles:
        return "The carbon signal is local, so no intensities measured later will replace its own."
    part = _part(report.totals.settled_wh, report.totals.energy_wh)
    return (
        "Intensities measured since, or last estimated by their source, settle "
        f"{share(part)} of the energy so far."
    )


def _waiting(run: RunLine, show: Show, report: Report) -> str:
    text = (
        f"Waiting for clean power avoided {show.grams(run.booked.avoided_gco2eq)} {show.gco2eq} "
        f"({share(run.booked.share)}) of run {run.id} against its run-now baseline, for a delay "
        f"of {show_duration(max(0.0, run.delay_s))} on the grid clock, as booked"
    )
    settled = show.grams(run.settled.avoided_gco2eq, NOT_YET)
    return f"{text}; at measured intensities: {settled}." if report.settles else f"{text}."


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
            "Operational, at the surest intensity", show.energy(totals.energy_wh),
            show.grams(totals.settled_gco2eq),
        ],
        ["  of it in models", show.energy(report.counted.energy_wh),
         show.grams(report.counted.settled_gco2eq)],
        ["  of it not counted", show.energy(report.uncounted.energy_wh),
         show.grams(report.uncounted.settled_gco2eq)],
        ["Idle hardware", show.energy(totals.idle_wh, NOT_REPORTED),
         show.grams(totals.idle_gco2eq, UNKNOWN if totals.idle_wh is not None else NOT_REPORTED)],
        ["Network (modelled)", show.energy(totals.network_wh), show.grams(totals.network_gco2eq)],
        ["Embodied", "-", show.grams(totals.embodied_gco2eq, NOT_REPORTED)],
        ["All of it, as far as known", "-", show.grams(totals.all_gco2eq)],
    ]  # fmt: skip
    return Section(
        "Totals",
        [f"Carbon intensities count: {report.family or UNKNOWN}. Emissions are location-based."],
        tables=[Table(["", show.wh, show.gco2eq], rows)],
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
                        f"{figure}, {when} {show.g}" if figure != "share" else figure
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
        f"{text}; in these, waiting avoided {show.grams(sum(known))} {show.g}."
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
        notes.append(f"Energy never reported: of {totals.unreported} pieces of work.")
    return notes


def _part(some: float, whole: float) -> float | None:
    return some / whole if whole else None
