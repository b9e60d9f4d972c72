"""The pages of a report behind the first: runs, rounds, sites, zones, months, and how sure."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.report.methods import METHODS, credits_of
from scheduler.report.report import Group, Report
from scheduler.report.section import Section, Table
from scheduler.report.show import NOT_SAID, UNKNOWN, Show, not_settled, share, significant, time
from scheduler.report.summary import range_text, sci_text

_FIGURES = ["pieces", "Wh", "booked g", "settled g", "idle g", "network g", "embodied g"]


def runs_section(report: Report, show: Show) -> Section:
    """Return a line a run."""
    rows = [
        [
            run.id, run.workload, run.policy, run.status, str(run.updates),
            *_figures(Group(run.id, "", run.figures), show),
            significant(run.best_value), sci_text(run.sci_per_update), sci_text(run.sci_per_point),
        ]
        for run in report.runs
    ]  # fmt: skip
    header = ["run", "workload", "policy", "status", "updates", *_FIGURES, "best value"]
    text = (
        "Everywhere, settled figures are at measured intensities where there are any, and as "
        "booked where there are none yet."
    )
    return Section(
        "Runs", [text], tables=[Table([*header, "g per update", "g per point"], rows, texts=4)]
    )


def rounds_section(report: Report, show: Show) -> Section:
    """Return a line a round, run by run."""
    rows = [
        [
            line.run, str(line.round), time(line.started), line.status, str(line.updates),
            show.energy(line.figures.energy_wh), show.grams(line.figures.gco2eq),
            show.grams(line.figures.settled_gco2eq),
            show.grams(line.booked.avoided_gco2eq, _otherwise(line.status, UNKNOWN)),
            show.grams(line.settled.avoided_gco2eq, _otherwise(line.status, not_settled(report))),
            show.grams(line.place_gco2eq, _otherwise(line.status, UNKNOWN)),
            significant(line.value, "-"), sci_text(line.sci_per_update),
            sci_text(line.sci_per_point),
        ]
        for run in report.runs
        for line in run.rounds
    ]  # fmt: skip
    header = [
        "run", "round", "planned", "status", "updates", "Wh", "booked g", "settled g",
        "avoided, booked g", "avoided, settled g", "place, booked g", "value", "g per update",
        "g per point",
    ]  # fmt: skip
    return Section("Rounds", tables=[Table(header, rows, texts=4)])


def groups_sections(report: Report, show: Show) -> list[Section]:
    """Return sites, zones and months, each with their sum."""
    total = Group("all", "", report.totals)
    return [
        Section("Sites", tables=[_table("site", report.sites, total, show, note="zone")]),
        Section("Zones", tables=[_table("zone", report.zones, total, show)]),
        Section("Months", tables=[_table("month", report.months, total, show)]),
    ]


def outcomes_section(report: Report, show: Show) -> Section:
    """Return what became of the work; all but the counted work is in no model."""
    total = Group("all", "", report.totals)
    return Section(
        "Work that counted, and work that did not",
        [
            (
                "Work that is in no model was spent all the same and is in the totals. What was "
                "lost never reported its energy."
            )
        ],
        tables=[_table("outcome", report.outcomes, total, show)],
        notes=[
            f"{group.name}: {group.figures.unreported} of {group.figures.pieces} pieces never "
            "reported their energy."
            for group in report.outcomes
            if group.figures.unreported
        ],
    )


def sureness_section(report: Report, show: Show) -> Section:
    """Return how sure the figures are: the range, and what they rest on."""
    found = report.uncertainty
    rows = [
        [item.of, item.name, show.energy(item.energy_wh), share(item.share)]
        for item in report.shares
    ]
    return Section(
        "How sure the figures are",
        [
            (
                f"Range of the operational emissions: {range_text(report, show)} gCO2eq. Published "
                f"errors exist for the meters of {share(found.energy_quantified_share)} and for "
                f"the intensities of {share(found.intensity_quantified_share)} of the energy; for "
                "the rest the uncertainty is not quantified, and the true range is wider."
            ),
        ],
        tables=[Table(["what", "how it was found", "Wh", "share"], rows, texts=2)],
    )


def signals_section(report: Report) -> Section:
    """Return who spoke for each zone, and when a signal fell back."""
    voices = [
        [v.zone, v.source, v.family, v.quality, time(v.first), time(v.last), str(v.readings)]
        for v in report.voices
    ]
    header = ["zone", "signal", "counts", "quality", "first slot", "last slot", "readings"]
    fallbacks = [
        [f.zone, time(f.at), f.expected, f.speaks or "nobody", f.why or "it speaks again"]
        for f in report.fallbacks
    ]
    tables = [Table(header, voices, texts=6)]
    if fallbacks:
        tables.append(Table(["zone", "from", "expected", "speaks", "why"], fallbacks, texts=5))
    return Section(
        "Signals",
        ["Over the whole ledger, for the zones of this report."],
        tables=tables,
        notes=[
            *([] if fallbacks else ["No signal fell back."]),
            *credits_of(v.source for v in report.voices),
        ],
    )


def methods_section() -> Section:
    """Return every method with its source."""
    rows = [[method.name, method.how, method.source] for method in METHODS]
    return Section(
        "Methods and sources", tables=[Table(["figure", "how", "source"], rows, texts=3)]
    )


def checking_section(report: Report) -> Section:
    """Return how the report can be checked."""
    found = report.provenance
    return Section(
        "How to check this report",
        [
            (
                f"Made by Fairwind {found.fairwind} at {time(found.made_at)} UTC from the ledger's "
                f"first {found.events} events. `fairwind ledger verify` was run on them: the chain "
                f"of hashes is whole, and its head is {found.head}."
            ),
            (
                "Whoever holds the ledger gets the same figures with `fairwind report`, the same "
                "head with `fairwind ledger verify`, and the same models with `fairwind ledger "
                "replay`. report.json holds every figure in full precision, bookings.csv each "
                "piece of work, months.csv the months."
            ),
        ],
    )


def _table(name: str, groups: Sequence[Group], total: Group, show: Show, note: str = "") -> Table:
    extra = [note] if note else []
    rows = [
        [group.name, *([group.note] if note else []), *_figures(group, show)]
        for group in [*groups, total]
    ]
    return Table([name, *extra, *_FIGURES], rows, texts=1 + len(extra))


def _figures(group: Group, show: Show) -> list[str]:
    figures = group.figures
    idle = UNKNOWN if figures.idle_wh is not None else NOT_SAID
    reported = figures.unreported < figures.pieces
    booked = reported and _some_known(figures.unknown_when_booked_wh, figures.energy_wh)
    settled = reported and _some_known(figures.unknown_wh, figures.energy_wh)
    return [
        str(figures.pieces),
        show.energy(figures.energy_wh if reported else None),
        show.grams(figures.gco2eq if booked else None),
        show.grams(figures.settled_gco2eq if settled else None),
        show.grams(figures.idle_gco2eq, idle),
        show.grams(figures.network_gco2eq),
        show.grams(figures.embodied_gco2eq, NOT_SAID),
    ]


def _some_known(unknown_wh: float, energy_wh: float) -> bool:
    """Return whether a sum holds anything: one of which no part is known is unknown, not zero."""
    return unknown_wh < energy_wh or not energy_wh


def _otherwise(status: str, unknown: str) -> str:
    return unknown if status == "closed" else "-"
