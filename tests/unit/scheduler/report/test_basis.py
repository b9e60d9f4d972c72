"""What each figure rests on, and the figure at annual factors, are as `golden.py` works out."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.reading import Reading
from scheduler.ledger.events import UpdateLate
from scheduler.report.annual import AnnualFigure, ZoneReadings
from scheduler.report.basis import ELSEWHERE, SETTLED, FigureBasis
from scheduler.report.page import to_html
from scheduler.report.plain import figures_csv
from scheduler.report.report import Report
from tests.unit.scheduler.report.golden import at, golden
from tests.unit.scheduler.report.test_report import Tables, report_of
from tests.unit.scheduler.story import HOUR, NOON

DIRECT = Family("average", "direct", "consumption")


def basis(report: Report, name: str) -> FigureBasis:
    (found,) = (each for each in report.figures if each.figure == name)
    return found


def test_the_settled_figure_has_its_energy_method_source_and_shares():
    found = basis(report_of(golden()), SETTLED)
    assert found.energy_wh == pytest.approx(260.0)
    assert found.unreported == 1
    assert found.gco2eq == pytest.approx(38.0)
    assert (found.energy_method, found.factor_sources) == ("test", ("test",))
    assert (found.kind, found.scope, found.accounting) == ("average", "lifecycle", "consumption")
    assert (found.shortest_slot_s, found.longest_slot_s) == (3600.0, 3600.0)
    # Of 260 Wh, 230 are settled at measured intensities; 30 are at the estimate of the booking.
    assert found.settled_share == found.measured_share == pytest.approx(230 / 260)
    assert found.estimated_share == pytest.approx(30 / 260)
    assert (found.forecast_share, found.unknown_share) == (0.0, 0.0)


def test_each_boundary_has_a_line_of_its_own():
    report = report_of(golden())
    lost = basis(report, "Operational, settled: lost work")
    assert lost.gco2eq == pytest.approx(6.0)
    assert (lost.energy_wh, lost.unreported) == (10.0, 1)
    models = basis(report, "Operational, settled: in models")
    assert models.energy_wh == pytest.approx(250.0)
    assert models.gco2eq == pytest.approx(32.0)
    idle = basis(report, "Idle hardware")
    assert idle.energy_wh == pytest.approx(15.0)
    assert idle.gco2eq == pytest.approx(0.74)
    assert idle.energy_method == "as the site reports"
    network = basis(report, "Network")
    assert network.ghg_scope == "Scope 3, category 1"
    assert network.gco2eq == pytest.approx(0.1516)
    server = basis(report, "Server")
    assert (server.energy_wh, server.gco2eq) == (None, None)
    assert server.energy_method == "not measured"
    assert basis(report, "Avoided by waiting, as booked").gco2eq == pytest.approx(7.5)


def test_what_counts_something_else_is_apart_and_changes_no_other_figure():
    story = golden()
    before = report_of(story)
    marginal = Family("marginal", "direct", "production")
    late = story.receipt("b", started_at=at(15.5), round=2)
    story.book(UpdateLate, late, 900.0, family=marginal)  # 2 Wh: 1.8 g of another kind
    after = report_of(story)
    apart = basis(after, ELSEWHERE)
    assert (apart.kind, apart.scope) == ("marginal", "direct")
    assert apart.gco2eq == pytest.approx(1.8)
    assert basis(before, ELSEWHERE).gco2eq == 0.0
    assert basis(after, SETTLED).gco2eq == pytest.approx(basis(before, SETTLED).gco2eq)
    assert basis(after, SETTLED).unknown_share == pytest.approx(2 / 262)


def test_the_figure_at_annual_factors_stands_beside_that_by_the_hour():
    report = report_of(golden())
    assert report.annual.hourly_gco2eq == pytest.approx(38.0)
    assert report.annual.annual_gco2eq == pytest.approx(62.278)
    assert basis(report, "Operational, at annual factors").gco2eq == pytest.approx(62.278)
    rows = Tables(to_html(report)).rows
    source = "typical_day.csv, the mean of 2022 (Electricity Maps, ODbL 1.0)"
    assert ["FR", source, "200.0", "9.60", "99.40", "19.88"] in rows
    assert ["all", "", "260.0", "38.00", "-", "62.28"] in rows


def test_without_a_factor_of_the_family_that_is_counted_the_annual_figure_is_unknown():
    report = report_of(golden())
    gb = replace(report.annual.zones[0], zone="GB", factor=None)
    assert AnnualFigure((*report.annual.zones, gb)).annual_gco2eq is None
    assert ZoneReadings().annual("FR", DIRECT) is None


def hour(number: int, value: float, **changes: Any) -> Reading:
    start = NOON + number * HOUR
    fields: dict[str, Any] = {"source": "neso", "family": DIRECT, "quality": "estimated"} | changes
    return Reading("GB", start, start + HOUR, value, **fields)


def year(*, of: int = 8760) -> ZoneReadings:
    """Return hours of a year: 100 gCO2eq/kWh in the first half of them, 300 in the other."""
    held = ZoneReadings()
    for number in range(of):
        held.see(hour(number, 100.0 if number < of / 2 else 300.0))
    return held


def test_the_mean_of_a_year_in_the_ledger_is_an_annual_factor_with_its_span():
    factor = year().annual("GB", DIRECT)
    assert factor is not None
    assert factor.gco2eq_per_kwh == pytest.approx(200.0)
    assert factor.source == "neso, mean of its readings from 2026-07-08 to 2027-07-08"


def test_less_than_nine_tenths_of_a_year_and_another_family_are_no_annual_factor():
    assert year(of=7800).annual("GB", DIRECT) is None  # 0.89 of 8760 hours
    assert year(of=7900).annual("GB", DIRECT) is not None
    assert year().annual("GB", FLOW_TRACED) is None


def test_forecasts_are_no_part_of_an_annual_factor_and_a_later_reading_replaces_an_earlier():
    held = year()
    held.see(hour(0, 100.0 + 876))
    held.see(hour(1, 2000.0, quality="forecast"))
    factor = held.annual("GB", DIRECT)
    assert factor is not None
    assert factor.gco2eq_per_kwh == pytest.approx(200.1)


def test_the_yearly_mean_that_a_federation_states_is_one():
    held = ZoneReadings()
    held.see(hour(0, 65.0, source="static", quality="modelled"))
    held.see(hour(1, 56.0, source="static", quality="modelled"))  # stated anew
    factor = held.annual("GB", DIRECT)
    assert factor is not None
    assert (factor.gco2eq_per_kwh, factor.source[:6]) == (56.0, "static")


def test_every_figure_is_a_line_of_the_csv_file():
    report = report_of(golden())
    lines = list(csv.DictReader(io.StringIO(figures_csv(report))))
    assert [line["figure"] for line in lines] == [each.figure for each in report.figures]
    assert lines[1]["gco2eq"] == "38"
    assert lines[6]["energy_wh"] == ""  # of the server nothing is known


def test_the_box_for_an_inventory_says_what_the_revision_of_scope_2_will_ask():
    page = to_html(report_of(golden()))
    rows = Tables(page).rows
    asked = "Location-based: the most precise factor that is accessible, by place and time"
    found = "zones, slots of 60 min; 100.0 % of the energy has measured or estimated intensities"
    assert [asked, found] in rows
    assert [
        "Load profiles where consumption is not known by the hour",
        "not needed: start and end are known of 5 of 6 tasks",
    ] in rows
    assert "not in force and may change; the final text is expected in 2027" in page
