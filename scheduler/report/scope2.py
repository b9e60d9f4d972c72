"""A box for whoever keeps an inventory, in the words of the GHG Protocol Scope 2 Guidance."""

from __future__ import annotations

from scheduler.report.basis import SETTLED
from scheduler.report.report import SETTLED_QUALITY, Report
from scheduler.report.section import Section, Table
from scheduler.report.show import NOT_REPORTED, UNKNOWN, Show, share, slots
from scheduler.report.summary import mark

_SOURCE = (
    "GHG Protocol Scope 2 Guidance, World Resources Institute, 2015, in force until its revision "
    "(final text expected in 2027); read 2026-11."
)

_MARKET_BASED = (
    "Market-based method: it reflects emissions from electricity that companies have purposefully "
    "chosen, or their lack of choice. Fairwind does not know the contracts of the sites, so it is "
    "not calculated. It needs, for each site and year, the emission factor of the electricity "
    "bought: from energy attribute certificates (guarantees of origin, RECs), else contracts such "
    "as power purchase agreements, else the supplier's rate, else the residual mix, else the grid "
    "average. The instruments must meet the Scope 2 Quality Criteria. Multiply the electricity of "
    "the site, in sites-by-month.csv, by that factor."
)

_WHOSE = (
    "Each site reports the electricity that it buys as its own Scope 2. For an organisation that "
    "runs the coordinator alone, the sites' electricity belongs to Scope 3. The figures by site "
    "and month are in sites-by-month.csv."
)

_AVOIDED = "What waiting avoided is a comparison. It is reported apart from the inventory."


_CONSULTATION = (
    "The proposals are those of the public consultation from 2025-10-20 to 2025-12-19. They are "
    "not in force and may change; the final text is expected in 2027. Source: GHG Protocol, "
    "Upcoming Scope 2 Public Consultation: Overview of Revisions, 2025; read 2026-11."
)


def scope2_section(report: Report, show: Show) -> Section:
    """Return the figures by scope and method, and what an inventory has to add."""
    totals = report.totals
    bought = show.energy(totals.electricity_wh)
    rows = [
        ["Scope 2, location-based", "electricity of the sites: work and reserved idle hardware",
         bought, show.grams(totals.electricity_gco2eq)],
        ["Scope 2, market-based", "the same electricity", bought, "not calculated"],
        ["Scope 3, category 1", "network, modelled", show.energy(totals.network_wh),
         show.grams(totals.network_gco2eq)],
        ["Scope 3, category 2", "embodied emissions of hardware", "-",
         show.grams(totals.embodied_gco2eq, NOT_REPORTED)],
    ]  # fmt: skip
    return Section(
        "For a greenhouse gas inventory",
        [_location_based(report), _MARKET_BASED, _WHOSE],
        tables=[
            Table(["GHG Protocol", "what", f"energy, {show.wh}", show.gco2eq], rows, texts=2),
            Table(["proposed for the revision of Scope 2", "in this report"], _revision(report), 2),
        ],
        notes=[*_cautions(report), _AVOIDED, f"Source: {_SOURCE}", _CONSULTATION],
        boxed=True,
    )


def _revision(report: Report) -> list[list[str]]:
    """Return what the revision will ask by its consultation, and which of it is here."""
    timed = sum(b.started_at is not None for b in report.bookings)
    return [
        [
            "Both methods stay, and both are reported",
            "location-based is here; market-based is not calculated",
        ],
        [
            "Location-based: the most precise factor that is accessible, by place and time",
            _precision(report),
        ],
        [
            "Market-based: certificates of the same hour, from where they can be delivered",
            "certificates are not known; Wh, times and zone of each task are in bookings.csv",
        ],
        [
            "Market-based: residual mix, or fossil factors, where nothing is matched",
            "not calculated",
        ],
        [
            "Load profiles where consumption is not known by the hour",
            f"not needed: start and end are known of {timed} of {len(report.bookings)} tasks",
        ],
        [
            "The impact of actions on the grid is reported outside the inventory",
            "outside: what waiting avoided, and marginal intensities, are in no sum",
        ],
        [
            "Phases, exemptions for small users, a legacy clause for contracts",
            "for the reporting organisation to decide",
        ],
    ]


def _precision(report: Report) -> str:
    """Return how precise the factors behind the settled emissions are."""
    settled = next(each for each in report.figures if each.figure == SETTLED)
    if settled.shortest_slot_s is None or settled.measured_share is None:
        return "unknown: this ledger holds no readings of these hours"
    found = settled.measured_share + (settled.estimated_share or 0.0)
    return (
        f"zones, slots of {slots(settled)}; {share(found)} of the energy has measured "
        "or estimated intensities"
    )


def _location_based(report: Report) -> str:
    return (
        "Location-based method: it reflects the average emissions intensity of the grids on which "
        "the energy consumption occurs. Here that is the electricity of each task times the mean "
        f"intensity of its site's zone while it ran ({report.family or UNKNOWN}). Certificates, "
        "contracts and offsets do not enter."
    )


def _cautions(report: Report) -> list[str]:
    """Return what keeps the location-based figure from going into an inventory as it is."""
    family = report.family or ""
    notes = []
    if mark(report):
        notes.append("Figures of a demonstration or a simulation do not belong in an inventory.")
    if "marginal" in family:
        notes.append(
            "These intensities are marginal. The location-based method needs average ones, so "
            "these figures do not fit into Scope 2."
        )
    if "lifecycle" in family:
        notes.append(
            "These intensities are life-cycle: they include upstream emissions, which the GHG "
            "Protocol puts into Scope 3, category 3. Scope 2 alone needs direct intensities."
        )
    modelled = [s for s in report.shares if s.of == SETTLED_QUALITY and s.name == "modelled"]
    notes += [
        f"{share(item.share)} of the energy has modelled intensities, which describe a typical "
        "day and not what the grid did. They do not belong in an inventory."
        for item in modelled
    ]
    return notes
