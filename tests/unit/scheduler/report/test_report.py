"""The report of the golden run equals what `golden.py` worked out by hand, digit by digit."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given

from common.errors import FederationError
from common.messages import SIMULATED
from scheduler.carbon.family import Family
from scheduler.ledger.events import SignalFellBack, SignalRecovered, UpdateAccepted, UpdateLate
from scheduler.report.page import to_html
from scheduler.report.plain import bookings_csv, months_csv, sites_by_month_csv, to_json
from scheduler.report.report import Provenance, Report, Scope, make_report
from scheduler.report.show import Show
from scheduler.report.summary import figures, headline
from tests.unit.scheduler.report.golden import at, golden
from tests.unit.scheduler.story import HOUR, NOON, Story, history, spec, steps


def report_of(story: Story, **scope: Any) -> Report:
    made = Provenance(NOON, "0.0", len(story.events), story.state.head)
    return make_report(story.events, provenance=made, scope=Scope(**scope))


class Tables(HTMLParser):
    """Every table row of a page, as the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("td", "th")
        if self._in_cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_json_holds_the_golden_totals():
    totals = to_json(report_of(golden()))["totals"]
    assert (totals["tasks"], totals["unreported"]) == (6, 1)
    assert totals["energy_wh"] == pytest.approx(260.0)
    assert totals["gco2eq"] == pytest.approx(37.0)
    assert totals["settled_gco2eq"] == pytest.approx(38.0)
    assert totals["settled_wh"] == pytest.approx(230.0)
    assert totals["idle_gco2eq"] == pytest.approx(0.74)
    assert totals["network_gco2eq"] == pytest.approx(0.1516)
    assert totals["embodied_gco2eq"] == pytest.approx(0.5)
    assert totals["all_gco2eq"] == pytest.approx(39.3916)


def test_json_holds_the_golden_rounds_against_their_baselines():
    (run,) = to_json(report_of(golden()))["runs"]
    first, second = run["rounds"]
    assert first["booked"]["avoided_gco2eq"] == pytest.approx(5.0)
    assert first["settled"]["gco2eq"] == pytest.approx(9.6)
    assert first["settled"]["baseline_gco2eq"] == pytest.approx(14.0)
    assert first["settled"]["avoided_gco2eq"] == pytest.approx(4.4)
    assert second["booked"]["avoided_gco2eq"] == pytest.approx(2.5)
    assert second["settled"] == dict.fromkeys(second["settled"])  # one hour is not published yet
    assert run["booked"]["share"] == pytest.approx(7.5 / 38.5)
    assert run["settled"]["avoided_gco2eq"] is None
    assert [line["place_gco2eq"] for line in run["rounds"]] == pytest.approx([31.6, 14.4])


def test_json_holds_sci_per_update_and_per_accuracy_point():
    (run,) = to_json(report_of(golden()))["runs"]
    assert run["sci_per_update"] == pytest.approx(39.3916 / 4)
    assert run["sci_per_point"] == pytest.approx(39.3916 / 80)
    first, second = run["rounds"]
    # 5.2 + 4.4 + 6 settled, 0.52 idle, 0.0872 network, 0.5 embodied: 16.7072 g, two updates.
    assert first["sci_per_update"] == pytest.approx(16.7072 / 2)
    assert first["sci_per_point"] is None
    # 4.4 + 18, 0.22 idle, 0.0644 network: 22.6844 g for 20 points.
    assert second["sci_per_point"] == pytest.approx(22.6844 / 20)


def test_json_holds_sci_per_parameter_and_per_flop():
    (run,) = to_json(report_of(golden()))["runs"]
    units = run["units"]
    assert (units["num_params"], units["gross_flops"], units["effective_flops"]) == (10, 4e5, 4e5)
    assert units["gco2eq_per_parameter"] == pytest.approx(39.3916 / 10)
    assert units["gco2eq_per_gross_flop"] == pytest.approx(39.3916 / 4e5)
    assert units["tasks_without_flops"] == 2  # one failed, one is lost


def test_training_that_does_not_count_is_in_gross_flops_alone():
    story = golden()
    late = story.receipt("b", started_at=at(15.5), round=2, flops_per_example=500.0)
    story.book(UpdateLate, late, 200.0)
    (run,) = report_of(story).runs
    # 400,000 of the updates that count, and 100 examples of 500 FLOPs.
    assert (run.units.gross_flops, run.units.effective_flops) == (450_000.0, 400_000.0)
    # 2 Wh at 200 gCO2eq/kWh: 0.4 g; the network's 1e-6 Wh: 2e-7 g.
    assert run.units.gco2eq_per_gross_flop == pytest.approx(39.7916002 / 450_000)
    assert run.units.gco2eq_per_effective_flop == pytest.approx(39.7916002 / 400_000)


def test_flops_are_unknown_as_soon_as_an_update_that_counts_reports_none():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.book(UpdateAccepted, story.receipt("a", flops_per_example=1000.0))
    story.book(UpdateAccepted, story.receipt("b"))
    report = report_of(story)
    (run,) = report.runs
    assert (run.units.gross_flops, run.units.gco2eq_per_effective_flop) == (None, None)
    assert "r: 1 of 2 tasks report no FLOPs" in to_html(report)


def test_unknown_weights_of_examples_say_why_and_known_ones_need_no_note():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.book(UpdateAccepted, story.receipt("a"))
    page = to_html(report_of(story))
    assert "r: Jain and weight elsewhere are unknown, as not every client was enrolled" in page
    assert "Jain and weight elsewhere are unknown" not in to_html(report_of(golden()))


def test_a_round_is_settled_once_its_last_hour_and_its_baselines_are_measured():
    story = golden()
    story.settle("PL", (at(16), 640.0))
    (run,) = report_of(story).runs
    # c settles at (620 + 640) / 2 = 630: 18.9 g; a at 44: 4.4 g; so 23.3 g.
    # Baseline: a 13:30-14:30 at 52: 5.2 g; c (800/2 + 600 + 620/2)/2 = 655: 19.65 g; 24.85 g.
    assert run.rounds[1].settled.gco2eq == pytest.approx(23.3)
    assert run.rounds[1].settled.baseline_gco2eq == pytest.approx(24.85)
    assert run.settled.avoided_gco2eq == pytest.approx(4.4 + 1.55)


def test_html_prints_the_golden_digits():
    rows = Tables(to_html(report_of(golden()))).rows
    assert ["Operational, as booked", "260.0", "37.00"] in rows
    assert ["Operational, settled", "260.0", "38.00"] in rows
    assert ["Idle hardware", "15.0", "0.74"] in rows
    assert ["Network (modelled)", "0.5", "0.15"] in rows
    # 38 g of work, 0.74 g of idle hardware, 0.1516 g of network: 38.8916 g.
    assert ["With network and idle hardware", "-", "38.89"] in rows
    assert ["Embodied", "-", "0.50"] in rows
    assert ["All of it, as far as known", "-", "39.39"] in rows
    yet = ["not known yet"] * 4
    assert ["r", "31.00", "38.50", "7.50", "19.5 %", *yet] in rows
    figures = ["130.0", "15.00", "15.60", "5.00", "4.40", "31.60"]
    assert ["r", "1", "2026-07-08 13:30", "closed", *figures] in rows
    figures = ["130.0", "22.00", "22.40", "2.50", "not known yet", "14.40"]
    assert ["r", "2", "2026-07-08 15:00", "closed", *figures] in rows
    assert ["r", "accuracy", "4", "0.8000", "9.848", "0.4924", "0.8889", "16.7 %"] in rows
    assert ["r", "1", "2", "0.6000", "-", "8.354", "-"] in rows
    # 400,000 FLOPs are 0.0004 GFLOP; 3.93916 g x 1e9; 39.3916 g / 4e5 x 1e15.
    each = "9.848e+10 gCO2eq"
    assert ["r", "10", "0.0004000", "0.0004000", "3.939e+09 gCO2eq", each, each] in rows
    assert ["r", "2", "2", "0.8000", "20.00", "11.34", "1.134"] in rows
    assert [
        "a",
        "FR",
        "2",
        "200.0",
        "9.00",
        "9.60",
        "0.74",
        "0.01",
        "not reported by the site",
    ] in rows
    unsaid = "not reported by the site"
    assert ["lost", "1", *["unknown"] * 3, unsaid, "unknown", unsaid] in rows
    assert ["failed", "1", "10.0", "6.00", "6.00", unsaid, "0.06", unsaid] in rows


def test_csv_has_a_line_a_booking_and_sums_that_agree():
    report = report_of(golden())
    lines = list(csv.DictReader(io.StringIO(bookings_csv(report))))
    assert [(line["client"], line["outcome"], line["gco2eq"]) for line in lines] == [
        ("a", "counted", "5"),
        ("b", "counted", "4"),
        ("c", "failed", "6"),
        ("a", "counted", "4"),
        ("b", "lost", ""),
        ("c", "counted", "18"),
    ]
    assert [line["settled_gco2eq"] for line in lines] == ["5.2", "4.4", "6", "4.4", "", "18"]
    (month, total) = csv.DictReader(io.StringIO(months_csv(report)))
    assert (month["month"], total["month"]) == ("2026-07", "total")
    assert month["network_gco2eq"] == total["network_gco2eq"] == "0.1516"
    assert (month["energy_wh"], month["settled_gco2eq"]) == ("260", "38")


def test_csv_of_sites_by_month_has_a_line_each_that_adds_up_to_the_total():
    story = golden()
    story.now = at(24 * 30)
    story.start(spec(id="s"))
    story.plan("a", run="s")
    story.answer("a", run="s", round=1, started_at=story.now)
    report = report_of(story)
    lines = list(csv.DictReader(io.StringIO(sites_by_month_csv(report))))
    assert [(line["month"], line["site"], line["zone"], line["tasks"]) for line in lines] == [
        ("2026-07", "a", "FR", "2"),
        ("2026-07", "b", "DE", "2"),
        ("2026-07", "c", "PL", "2"),
        ("2026-08", "a", "FR", "1"),
    ]
    assert (lines[0]["energy_wh"], lines[0]["settled_gco2eq"], lines[0]["idle_wh"]) == (
        "200", "9.6", "15",
    )  # fmt: skip
    whole = sum(float(line["settled_gco2eq"] or 0) for line in lines)
    assert whole == pytest.approx(report.totals.settled_gco2eq)


def test_the_period_is_that_of_the_work_whenever_the_report_is_printed():
    story = golden()
    story.later(HOUR * 24 * 30)
    story.tell(SignalRecovered(zone="FR", active_source="neso"))
    report = report_of(story)
    assert (report.began, report.ended) == (at(13.5), at(17))
    page = to_html(report)
    assert "2026-07-08 13:30 to 2026-07-08 17:00 UTC" in page
    assert "all rounds" in page
    assert "rounds planned before 2026-07-08 15:00 UTC" in to_html(report_of(story, until=at(15)))


def test_a_report_leads_with_operational_emissions_and_with_network_and_idle_hardware():
    report = report_of(golden())
    operational, extended, _ = figures(report)
    assert operational.value == "38.00 gCO2eq"
    assert (extended.value, extended.note) == (
        "38.89 gCO2eq", "network 0.15; idle hardware 0.74",
    )  # fmt: skip
    first, second, *_ = headline(report)
    assert first.startswith("Operational emissions: 38.00 gCO2eq")
    assert second.startswith("With modelled network and idle hardware: 38.89 gCO2eq")


def test_box_for_an_inventory_names_both_methods_of_scope_2():
    page = to_html(report_of(golden()))
    rows = Tables(page).rows
    bought = "electricity of the sites: work and reserved idle hardware"
    # 260 Wh and 15 Wh; 38 g and 0.74 g.
    assert ["Scope 2, location-based", bought, "275.0", "38.74"] in rows
    market = ["Scope 2, market-based", "the same electricity", "275.0", "not calculated"]
    assert market in rows
    assert "residual mix" in page
    assert "Scope 2 Quality Criteria" in page
    assert "These intensities are life-cycle" in page


def test_target_and_budget_are_drawn_and_said():
    story = Story("a")
    story.start(spec(grams=8.0))
    story.plan("a")
    story.later(HOUR)
    story.book(UpdateAccepted, story.receipt("a"), 1000.0)  # 2 Wh: 2 g
    made = Provenance(NOON, "0.0", len(story.events), story.state.head)
    report = make_report(story.events, provenance=made, scope=Scope(), target_gco2eq=4.0)
    said = " ".join(headline(report))
    assert "Target: 4 gCO2eq; operational emissions are 50.0 % of it." in said
    assert "Budget of run r: 8 gCO2eq; 25.0 % of it is spent in this period" in said
    page = to_html(report)
    assert ">target 4 gCO2eq</text>" in page
    assert ">budget 8 gCO2eq (above this plot)</text>" in page


def test_grams_have_one_equivalent_with_its_source():
    # 38.8916 g / (8887 / 3.785411784 g/l) = 16.57 ml.
    said = " ".join(headline(report_of(golden())))
    assert "burning 16.6 ml of petrol emits as much. Source: US EPA" in said


def test_report_of_a_demonstration_is_marked_and_another_is_not():
    story = golden()
    assert "Demonstration" not in to_html(report_of(story))
    start = story.events[0].at
    fast = [replace(e, at=start + (e.grid_at - start) / 6000) for e in story.events]
    made = Provenance(NOON, "0.0", len(fast), story.state.head)
    report = make_report(fast, provenance=made, scope=Scope())
    assert report.clock.speed == pytest.approx(6000, rel=1e-3)
    first, *_ = headline(report)
    assert first.startswith(
        "Demonstration: the grid clock was not the real time and ran 6,000 times"
    )
    assert "Figures of a demonstration or a simulation do not belong in an inventory" in to_html(
        report
    )


def test_report_of_a_simulation_is_marked():
    story = Story("a")
    story.start()
    story.plan("a")
    energy = story.receipt("a").energy
    assert energy is not None
    simulated = energy.model_copy(update={"method": SIMULATED})
    story.book(UpdateAccepted, story.receipt("a", energy=simulated))
    first, *_ = headline(report_of(story))
    assert first.startswith("Simulation: no task took place")


def test_a_period_takes_whole_rounds_and_its_figures_add_up_to_the_whole():
    story = golden()
    early = report_of(story, until=at(15))
    late = report_of(story, since=at(15))
    assert [line.round for line in early.runs[0].rounds] == [1]
    assert [line.round for line in late.runs[0].rounds] == [2]
    assert (early.totals.gco2eq, late.totals.gco2eq) == pytest.approx((15.0, 22.0))
    assert late.runs[0].booked.avoided_gco2eq == pytest.approx(2.5)


def test_asking_for_what_there_is_not_is_one_clear_error():
    story = golden()
    with pytest.raises(FederationError, match=r"no run 'heart'.*There are: r"):
        report_of(story, run="heart")
    with pytest.raises(FederationError, match="No work was booked"):
        report_of(story, since=NOON + timedelta(days=9))
    with pytest.raises(FederationError, match="No work was booked"):
        report_of(Story())


def test_grams_of_another_family_are_in_no_sum_and_said():
    story = golden()
    marginal = Family("marginal", "direct", "production")
    late = story.receipt("b", started_at=at(15.5), round=2)
    story.book(UpdateLate, late, 900.0, family=marginal)  # 2 Wh: 1.8 g of another kind
    report = report_of(story)
    assert report.totals.gco2eq == pytest.approx(37.0)
    assert report.totals.apart_gco2eq == pytest.approx(1.8)
    assert report.totals.unknown_wh == pytest.approx(2.0)
    assert report.totals.unreported == 0  # what was lost has been answered
    assert "in another family of intensities alone" in to_html(report)
    assert "The emissions of 2.0 Wh are unknown and in no sum." in to_html(report)


def test_words_from_outside_are_escaped_in_html_and_harmless_in_a_spreadsheet():
    story = golden()
    energy = story.receipt("a").energy
    assert energy is not None
    evil = energy.model_copy(update={"method": "=HYPERLINK(1)<script>x</script>"})
    story.book(UpdateLate, story.receipt("a", started_at=at(16), energy=evil))
    story.tell(
        SignalFellBack(zone="FR", expected="<b>", active_source=None, why="<img src=x onerror=y>")
    )
    report = report_of(story)
    page = to_html(report)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=y&gt;" in page
    assert "'=HYPERLINK(1)<script>x</script>" in bookings_csv(report)


def test_a_report_says_how_it_can_be_checked():
    story = golden()
    page = to_html(report_of(story))
    assert story.state.head in page
    assert f"first {len(story.events)} events" in page
    assert "fairwind ledger verify" in page


def test_json_is_json_and_complete_in_the_precision_of_the_figures():
    story = golden()
    report = report_of(story)
    body = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert body["provenance"]["head"] == story.state.head
    assert body["totals"]["network_gco2eq"] == report.totals.network_gco2eq
    assert len(body["bookings"]) == 6
    assert body["bookings"][0]["settled"]["quality"] == "measured"


def test_columns_are_printed_in_the_unit_and_with_the_decimals_of_the_total():
    report = report_of(golden())
    show = Show.of(report)
    assert (show.grams(38.0), show.energy(260.0), show.grams(None)) == ("38.00", "260.0", "unknown")
    assert show.grams(-0.001) == "0.00"
    tiny = Show.of(replace(report, totals=replace(report.totals, gco2eq=0, settled_gco2eq=2.1e-4)))
    assert (tiny.gco2eq, tiny.grams(2.1e-4)) == ("ugCO2eq", "210.0")
    large = Show.of(replace(report, totals=replace(report.totals, energy_wh=2_345_678.0)))
    assert (large.wh, large.energy(2_345_678.0)) == ("MWh", "2.346")


def test_fallbacks_of_the_period_are_told_and_those_in_force_at_its_begin():
    story = golden()
    story.tell(SignalFellBack(zone="FR", expected="neso", active_source="static", why="silent"))
    story.later(HOUR)
    story.tell(SignalRecovered(zone="FR", active_source="neso"))
    fallbacks = report_of(story).fallbacks
    assert [(f.zone, f.active_source) for f in fallbacks] == [("FR", "static"), ("FR", "neso")]
    assert report_of(story, until=at(15)).fallbacks == ()
    story.later(HOUR)
    story.tell(SignalFellBack(zone="PL", expected="neso", active_source=None, why="silent"))
    story.later(HOUR)
    story.start(spec(id="s"))
    story.plan("c", run="s")
    story.answer("c", run="s", round=1, started_at=story.now)
    fallbacks = report_of(story, run="s").fallbacks
    assert [(f.zone, f.active_source) for f in fallbacks] == [("PL", None)]


def test_a_local_signal_is_never_settled_and_nothing_is_said_to_come():
    story = Story("a")
    story.start()
    story.plan("a")
    story.book(UpdateAccepted, story.receipt("a"), source="typical_day", quality="modelled")
    page = to_html(report_of(story))
    assert "no measured intensities will replace its own later" in page
    assert "not known yet" not in page


@given(steps=steps)
def test_whatever_happens_the_parts_of_a_report_add_up_to_its_totals(steps):
    story = history(steps)
    try:
        report = report_of(story)
    except FederationError:
        assert not list(story.state.book)
        return
    for groups in (report.sites, report.zones, report.months, report.outcomes, report.runs):
        for figure in ("energy_wh", "gco2eq", "settled_gco2eq", "unknown_wh", "tasks"):
            parts = [getattr(group.figures, figure) for group in groups]
            assert sum(parts) == pytest.approx(getattr(report.totals, figure), abs=1e-9)
    assert report.totals.gco2eq == pytest.approx(story.state.runs["r"].spent_gco2eq, abs=1e-9)
    to_html(report)
