"""The pages of a report about its figures themselves: what each rests on, and by annual factors."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.report.annual import ZoneAtAnnual
from scheduler.report.basis import FigureBasis
from scheduler.report.report import Report
from scheduler.report.section import Section, Table
from scheduler.report.show import UNKNOWN, Show, share, significant, slots

_BASIS = (
    "Figures may be added where they have one kind of intensity, and no energy twice. Shares are "
    "of the energy of the figure, by the quality of its intensity. Each task is weighed with the "
    "slots in which its energy was used."
)

_SERVER = (
    "What coordinator, Redis and Flower use is not measured. It is unknown, not zero, and in no "
    "sum."
)

_BESIDE = (
    "Marginal intensities and others that count something else, what waiting avoided, and annual "
    "factors stand beside the emissions. None of them is subtracted from these."
)

_ANNUAL = (
    "What an inventory with annual factors would show for the energy whose emissions are known. "
    "The difference to the figure by the hour is one of method. It is no saving."
)

_SHARES = ("settled", "measured", "estimated", "modelled", "forecast", "unknown")


def basis_section(report: Report, show: Show) -> Section:
    """Return boundary, methods, factors and certainty of each figure, a line each."""
    boundary = [
        [
            each.figure, each.boundary, each.ghg_scope, each.energy_method or "-",
            show.energy(each.energy_wh, UNKNOWN if each.energy_method else "-"),
            str(each.unreported), show.grams(each.gco2eq),
        ]
        for each in report.figures
    ]  # fmt: skip
    certainty = [
        [each.figure, ", ".join(each.factor_sources), _counts(each), slots(each), *_shares(each)]
        for each in report.figures
        if each.factor_sources
    ]
    header = ["figure", "boundary", "GHG Protocol", "how Wh were found"]
    return Section(
        "What each figure rests on",
        [_BASIS],
        tables=[
            Table(
                [*header, f"energy, {show.wh}", "tasks without Wh", show.gco2eq], boundary, texts=4
            ),
            Table(["figure", "factors from", "counts", "slots", *_SHARES], certainty, texts=4),
        ],
        notes=[_SERVER, _BESIDE],
    )


def annual_section(report: Report, show: Show) -> Section:
    """Return the emissions of the same energy at annual factors, beside those by the hour."""
    annual = report.annual
    rows = [
        [
            zone.zone, _source(zone), show.energy(zone.energy_wh), show.grams(zone.hourly_gco2eq),
            significant(zone.factor.gco2eq_per_kwh if zone.factor else None),
            show.grams(zone.annual_gco2eq),
        ]
        for zone in annual.zones
    ]  # fmt: skip
    total = [
        "all", "", show.energy(annual.energy_wh), show.grams(annual.hourly_gco2eq), "-",
        show.grams(annual.annual_gco2eq),
    ]  # fmt: skip
    header = [
        "zone", "annual factor from", f"energy, {show.wh}", f"by the hour, {show.gco2eq}",
        "factor, gCO2eq/kWh", f"at the annual factor, {show.gco2eq}",
    ]  # fmt: skip
    return Section(
        "At annual factors",
        [_ANNUAL],
        tables=[Table(header, [*rows, total], texts=2)],
    )


def _source(zone: ZoneAtAnnual) -> str:
    return zone.factor.source if zone.factor else "none of the family that is counted"


def _counts(each: FigureBasis) -> str:
    return ", ".join(word for word in (each.kind, each.scope, each.accounting) if word)


def _shares(each: FigureBasis) -> Sequence[str]:
    return [share(getattr(each, f"{name}_share"), "-") for name in _SHARES]
