"""The pages of a report behind the first: runs, rounds, sites, zones, months, and how sure."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.federation.record_privacy import CLAIM, NOT_COVERED
from scheduler.report.methods import METHODS, credits_of
from scheduler.report.report import Group, Report
from scheduler.report.section import Section, Table
from scheduler.report.show import (
    NOT_REPORTED,
    UNKNOWN,
    Show,
    mass,
    not_settled,
    share,
    significant,
    time,
)
from scheduler.report.summary import range_text

_FIGURES = ("booked", "settled", "idle", "network", "embodied")


def runs_section(report: Report, show: Show) -> Section:
    """Return what each run used, and what it cost by update and by point."""
    used = [
        [
            run.id, run.workload, run.policy, run.status,
            *_figures(Group(run.id, "", run.figures), show),
        ]
        for run in report.runs
    ]  # fmt: skip
    cost = [
        [
            run.id, run.metric, str(run.updates), significant(run.best_value),
            show.sci(run.sci_per_update), show.sci(run.sci_per_point),
            UNKNOWN if run.applied is None else significant(run.applied.jain),
            UNKNOWN if run.applied is None else share(run.applied.total_variation),
        ]
        for run in report.runs
    ]  # fmt: skip
    units = [
        [
            run.id, _whole(run.units.num_params), significant(_scaled(run.units.gross_flops, 1e-9)),
            significant(_scaled(run.units.effective_flops, 1e-9)),
            _mass(run.units.gco2eq_per_parameter, 1e9),
            _mass(run.units.gco2eq_per_gross_flop, 1e15),
            _mass(run.units.gco2eq_per_effective_flop, 1e15),
        ]
        for run in report.runs
    ]  # fmt: skip
    text = (
        "Everywhere, settled figures are at measured intensities where there are any, and as "
        "booked where there are none yet. Figures per update and per point hold idle hardware, "
        "network and embodied emissions, too, as far as they are known (SCI). Jain's index says "
        "how evenly the examples of all clients made the whole run's versions; weight elsewhere "
        "is the part of the weight that lies with other clients than the examples do."
    )
    costs = ["run", "metric", "updates", "best", *_costs(show), "Jain", "weight elsewhere"]
    tables = [
        Table(["run", "workload", "policy", "status", *_header(show)], used, texts=4),
        Table(costs, cost, texts=2),
        Table(_UNITS_HEADER, units),
    ]
    notes = [*_without_weight(report), *_without_flops(report)]
    return Section("Runs", [text, _UNITS], tables=tables, notes=notes)


_UNITS = (
    "By the functional units of the SCI for AI (in public review), the emissions of all work in "
    "the period, per 10^9 values of the model and per 10^15 floating-point operations (FLOP) of "
    "training. Gross: of all training that was reported. Effective: of the updates that count. "
    "Each site counts the FLOPs of one example; they are multiplied by the examples it trained on."
)


_UNITS_HEADER = (
    "run", "values of the model", "GFLOP, gross", "GFLOP, effective", "per 10^9 values",
    "per 10^15 FLOP, gross", "per 10^15 FLOP, effective",
)  # fmt: skip


def _without_weight(report: Report) -> list[str]:
    return [
        f"{run.id}: Jain and weight elsewhere are unknown, as not every client was enrolled with "
        "how many examples it has (fairwind enroll --examples)."
        for run in report.runs
        if run.updates and run.applied is None
    ]


def _without_flops(report: Report) -> list[str]:
    return [
        f"{run.id}: {run.units.tasks_without_flops} of {run.figures.tasks} tasks report no FLOPs: "
        "lost or failed work, a training loop of the user's own, or Ditto."
        for run in report.runs
        if run.units.tasks_without_flops
    ]


def _scaled(value: float | None, times: float) -> float | None:
    return None if value is None else value * times


def _mass(each_gco2eq: float | None, times: float) -> str:
    """Return emissions of so many units, in a unit of mass of their own: they are in no sum."""
    return UNKNOWN if each_gco2eq is None else mass(each_gco2eq * times)


def _whole(count: int) -> str:
    return f"{count:,}" if count else UNKNOWN


def privacy_section(report: Report) -> list[Section]:
    """Return what runs have spent of the privacy of sites' records; nothing where none has."""
    rows = [
        [run.id, client, f"{spent.epsilon:.2f}", f"{spent.delta:.1e}", str(spent.trainings)]
        for run in report.runs
        for client, spent in run.privacy
    ]
    if not rows:
        return []
    claim = [f"{name.capitalize()}: {value}." for name, value in CLAIM]
    covers = f"Not covered: {'; '.join(NOT_COVERED)}."
    table = Table(["run", "site", "epsilon", "delta", "trainings"], rows, texts=2)
    return [Section("Privacy of records", [" ".join(claim), covers], tables=[table])]


def rounds_section(report: Report, show: Show) -> Section:
    """Return the same of each round, with what it avoided."""
    lines = [line for run in report.runs for line in run.rounds]
    used = [
        [
            line.run, str(line.round), time(line.started), line.status,
            show.energy(line.figures.energy_wh), show.grams(line.figures.gco2eq),
            show.grams(line.figures.settled_gco2eq),
            show.grams(line.booked.avoided_gco2eq, _otherwise(line.status, UNKNOWN)),
            show.grams(line.settled.avoided_gco2eq, _otherwise(line.status, not_settled(report))),
            show.grams(line.place_gco2eq, _otherwise(line.status, UNKNOWN)),
        ]
        for line in lines
    ]  # fmt: skip
    cost = [
        [
            line.run, str(line.round), str(line.updates), significant(line.value, "-"),
            significant(line.points, "-"), show.sci(line.sci_per_update),
            show.sci(line.sci_per_point),
        ]
        for line in lines
    ]  # fmt: skip
    figures = (
        "booked",
        "settled",
        "avoided, booked",
        "avoided, settled",
        "avoided by place, booked",
    )
    header = [
        "run",
        "round",
        "planned",
        "status",
        f"energy, {show.wh}",
        *(f"{f}, {show.gco2eq}" for f in figures),
    ]
    costs = ["run", "round", "updates", "metric", "points gained", *_costs(show)]
    return Section("Rounds", tables=[Table(header, used, texts=4), Table(costs, cost, texts=2)])


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
                "Work that is in no model was spent all the same and is in the totals. The "
                "energy of lost tasks was not reported by the site."
            )
        ],
        tables=[_table("outcome", report.outcomes, total, show)],
        notes=[
            f"{group.name}: {group.figures.unreported} of {group.figures.tasks} tasks have an "
            "energy that was not reported by the site."
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
                f"Range of the operational emissions: {range_text(report, show)} {show.gco2eq}. "
                f"Published errors exist for the meters of {share(found.energy_quantified_share)} "
                f"and for the intensities of {share(found.intensity_quantified_share)} of the "
                "energy. For the rest the uncertainty is not quantified, and the true range is "
                "wider."
            ),
        ],
        tables=[Table(["what", "how it was found", f"energy, {show.wh}", "share"], rows, texts=2)],
    )


def signals_section(report: Report) -> Section:
    """Return the sources of each zone, and when a fallback was active."""
    sources = [
        [s.zone, s.source, s.family, s.quality, time(s.first), time(s.last), str(s.readings)]
        for s in report.sources
    ]
    header = ["zone", "signal", "counts", "quality", "first slot", "last slot", "readings"]
    fallbacks = [
        [f.zone, time(f.at), f.expected, f.active_source or "none", f.why or "it is active again"]
        for f in report.fallbacks
    ]
    tables = [Table(header, sources, texts=6)]
    if fallbacks:
        tables.append(
            Table(["zone", "from", "expected", "active source", "why"], fallbacks, texts=5)
        )
    return Section(
        "Signals",
        ["Readings over the whole ledger, fallbacks in the period, for the zones of this report."],
        tables=tables,
        notes=[
            *([] if fallbacks else ["No signal fell back in the period."]),
            *credits_of(s.source for s in report.sources),
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
                f"first {found.events} events. fairwind ledger verify was run on them: the chain "
                f"of hashes is whole, and its head is {found.head}."
            ),
            (
                "With the ledger, anyone gets the same figures with fairwind report, the same "
                "head with fairwind ledger verify, and the same models with fairwind ledger "
                "replay. report.json holds every figure in full precision, bookings.csv each "
                "task, figures.csv what each figure rests on, months.csv the months, "
                "sites-by-month.csv each site in each month."
            ),
        ],
    )


def _table(name: str, groups: Sequence[Group], total: Group, show: Show, note: str = "") -> Table:
    extra = [note] if note else []
    rows = [
        [group.name, *([group.note] if note else []), *_figures(group, show)]
        for group in [*groups, total]
    ]
    return Table([name, *extra, *_header(show)], rows, texts=1 + len(extra))


def _header(show: Show) -> list[str]:
    return ["tasks", f"energy, {show.wh}", *(f"{name}, {show.gco2eq}" for name in _FIGURES)]


def _costs(show: Show) -> list[str]:
    return [f"{show.gco2eq} per update", f"{show.gco2eq} per point"]


def _figures(group: Group, show: Show) -> list[str]:
    figures = group.figures
    idle = UNKNOWN if figures.idle_wh is not None else NOT_REPORTED
    reported = figures.unreported < figures.tasks
    booked = reported and _some_known(figures.unknown_when_booked_wh, figures.energy_wh)
    settled = reported and _some_known(figures.unknown_wh, figures.energy_wh)
    return [
        str(figures.tasks),
        show.energy(figures.energy_wh if reported else None),
        show.grams(figures.gco2eq if booked else None),
        show.grams(figures.settled_gco2eq if settled else None),
        show.grams(figures.idle_gco2eq, idle),
        show.grams(figures.network_gco2eq),
        show.grams(figures.embodied_gco2eq, NOT_REPORTED),
    ]


def _some_known(unknown_wh: float, energy_wh: float) -> bool:
    """Return whether a sum holds anything: one of which no part is known is unknown, not zero."""
    return unknown_wh < energy_wh or not energy_wh


def _otherwise(status: str, unknown: str) -> str:
    return unknown if status == "closed" else "-"
