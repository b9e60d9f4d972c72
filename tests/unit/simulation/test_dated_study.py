"""The dated study: dates by seed, paired ratios by hand, losses first, and what each rule adds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.errors import SettingError
from simulation.grids.recorded import Actual
from simulation.run import simulate
from simulation.study.all_chapters import full_study, quick_study
from simulation.study.cli import study
from simulation.study.conduct import StudyResults, cases
from simulation.study.contender import Chapter
from simulation.study.dated import TARGET_SHARES, chain, dated, held_out
from simulation.study.dated_page import dated_page_of, losses, ratios, split
from simulation.study.federations import YEAR_2022
from simulation.study.measures import Reached, Row, Yardstick, measure
from simulation.study.statistics import paired_ratio
from simulation.study.writing import Making, write
from tests.unit.simulation.test_study import falling, outcome

BY = Yardstick("accuracy", 0.5, 100.0)


def chapter() -> Chapter:
    return dated(quick_study())[0]


def row(of: Chapter, who: str, seed: int, grams: float | None) -> Row:
    contender = next(each for each in of.contenders if each.name == who)
    made = measure(of, contender, seed, outcome=outcome(0.1, 0.6, 0.7, 0.8), by=BY)
    reached = tuple(Reached(share, grams, None if grams is None else 7.0) for share in of.shares)
    return replace(made, reached=reached)


def results(**grams: tuple[float | None, ...]) -> StudyResults:
    of, named = chapter(), {name.replace("_", " "): some for name, some in grams.items()}
    others = {each.name: (100.0, 100.0, 100.0) for each in of.contenders}
    rows = [
        row(of, who, seed, g)
        for who, some in (others | named).items()
        for seed, g in enumerate(some, start=1)
    ]
    return StudyResults((of,), {of.name: BY}, tuple(rows))


def test_a_paired_ratio_is_the_geometric_mean_with_students_interval_on_logarithms() -> None:
    # Ratios e^1, e^2, e^3: mean of logs 2, half the width 2.4841 as of 1, 2, 3 by Student's t.
    theirs = [2.0, 5.0, 7.0]
    ours = [value * math.exp(n) for n, value in enumerate(theirs, start=1)]
    found = paired_ratio(ours, theirs)
    assert found.mean == pytest.approx(math.exp(2))
    assert found.low == pytest.approx(math.exp(2 - 2.4841), rel=1e-4)
    assert found.high == pytest.approx(math.exp(2 + 2.4841), rel=1e-4)
    assert paired_ratio([1.0], [2.0]) == replace(found, mean=0.5, low=None, high=None)


def test_what_a_date_costs_all_policies_cancels_in_paired_ratios() -> None:
    found = paired_ratio([5.0, 50.0, 500.0], [10.0, 100.0, 1000.0])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_each_seed_starts_at_a_date_of_its_own_which_all_policies_share() -> None:
    for of in (*dated(full_study()), *dated(quick_study()), *held_out()):
        starts = {
            seed: {of.scenario(who, seed, 5.0 if who.grams_share else None).start
                   for who in of.contenders}
            for seed in of.seeds
        }  # fmt: skip
        assert all(len(some) == 1 for some in starts.values())
        assert len(set().union(*starts.values())) == len(of.seeds)


def test_without_dates_all_seeds_start_as_before_and_no_further_target_is_measured() -> None:
    of = quick_study()[0]
    assert {of.scenario(of.find("random"), seed).start for seed in of.seeds} == {of.base.start}
    made = outcome(0.1, 0.6, 0.7, 0.8)
    assert measure(of, of.find("random"), 1, outcome=made, by=BY).reached == ()


def test_every_run_of_the_dated_study_is_a_valid_scenario_once() -> None:
    every = cases((*dated(full_study()), *held_out()))
    assert len({(of.name, who.key, seed) for of, who, seed in every}) == len(every)
    assert {"paper"} & {of.name for of, _, _ in every} == set()


def test_half_rounds_halve_cohort_and_quorum_and_may_learn_faster() -> None:
    of = chapter()
    usual = of.scenario(of.find("fairwind"), 1).run
    by_name = {
        who.name: of.scenario(who, 1).run for who in of.of("ablation") if not who.grams_share
    }
    half, faster = (by_name[f"random, half rounds{more}"] for more in ("", ", rate x 2"))
    assert (usual.cohort, usual.quorum) == (10, 5)
    assert (half.cohort, half.quorum) == (5, 3)
    assert half.hyperparameters == usual.hyperparameters
    rate = usual.hyperparameters.learning_rate
    assert faster.hyperparameters.learning_rate == pytest.approx(2 * rate)
    assert faster.hyperparameters.epochs == usual.hyperparameters.epochs


def test_rules_are_switched_on_one_after_the_other() -> None:
    of, names = chapter(), chain()
    options = [
        dict(next(w for w in of.contenders if w.name == name).options) for name in names[1:4]
    ]
    assert [set(some) for some in options] == [
        {"fairness", "full_share", "horizon_h"}, {"full_share", "horizon_h"}, {"full_share"},
    ]  # fmt: skip


def test_targets_are_shares_of_the_unconstrained_runs_metric_whichever_way_is_better() -> None:
    of = chapter()
    # Means of three: 0.7 at 30 g, 0.96 at 40 g, 1.0 at 50 g; the target of 98 % is 0.98.
    course = outcome(0.55, 0.55, 1.0, 1.33, 0.67)
    found = measure(of, of.find("random"), 1, outcome=course, by=Yardstick("accuracy", 0.98, 100.0))
    assert [(r.share, r.gco2eq, r.hours) for r in found.reached] == [
        (0.95, 40.0, 4.5), (0.98, 50.0, 5.5), (0.99, 50.0, 5.5),
    ]  # fmt: skip
    # An error: the best is 4.9, the targets 4.9 / 0.95 = 5.158, 5.0 and 4.949. Means of three:
    # 6.4 at 30 g, 5.1 at 40 g, 4.97 at 50 g, 4.83 at 60 g.
    falls = falling(9.0, 5.1, 5.1, 5.1, 4.7, 4.7)
    found = measure(of, of.find("random"), 1, outcome=falls, by=Yardstick("gap", 5.0, 100.0))
    assert [r.gco2eq for r in found.reached] == [40.0, 50.0, 60.0]


def test_losses_come_first_and_the_worst_of_them_on_top() -> None:
    found = results(
        oort=(50.0, 51.0, 49.0), lowcarb=(20.0, 21.0, 19.0), greedy=(None, 10.0, 10.0),
        fairwind=(100.0, 101.0, 99.0), oracle=(1.0, 1.0, 1.0),
    )  # fmt: skip
    lines = losses(found).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == ["lowcarb"] * 3 + ["oort"] * 3
    page = dated_page_of(found, "Made by hand.")
    assert page.index("## Where fairwind loses") < page.index("## mixed")
    assert "Starts: 2022-02-08, 2022-04-19, 2022-06-28." in page


def test_a_rival_that_arrives_more_often_is_a_loss_and_comes_first() -> None:
    found = results(oort=(50.0, 51.0, 49.0), fairwind=(None, 10.0, 10.0))
    first = losses(found).splitlines()[2]
    assert "2 runs against 3 reached it" in first


def test_weak_anchors_and_bounds_are_labelled() -> None:
    found = results()
    table = ratios(found, found.chapters[0])
    assert "| greedy (weak anchor) |" in table
    assert "| oracle (bound) |" in table
    assert "At no target" in losses(found)


def test_the_parts_of_a_win_multiply_to_the_whole() -> None:
    of = chapter()
    grams = dict(zip(chain(), ((100.0,) * 3, (90.0,) * 3, (60.0,) * 3, (50.0,) * 3, (30.0,) * 3,
                               (15.0,) * 3), strict=True))  # fmt: skip
    rows = [row(of, who, n, g) for who, some in grams.items() for n, g in enumerate(some, start=1)]
    table = split(StudyResults((of,), {of.name: BY}, tuple(rows)), of)
    parts = [line.split("|")[1:3] for line in table.splitlines()[4:]]
    assert [(name.strip(), cell.split("[")[0].strip(" *")) for name, cell in parts] == [
        ("even turns", "0.90"), ("place", "0.67"), ("time", "0.83"), ("less work", "0.60"),
        ("round size", "0.50"), ("all of it", "0.15"),
    ]  # fmt: skip


def test_page_and_figures_are_written_beside_the_study_not_over_it(tmp_path: Path) -> None:
    making = Making(command="fairwind study --dates", jobs=1, took_s=1.0, quick=True, is_dated=True)
    written = write(results(), making, tmp_path)
    assert [path.name for path in written] == ["dated.md", "dated.json"]
    assert '"reached":[{"share":0.95,"gco2eq":100.0,"hours":7.0}' in written[1].read_text()


def test_the_held_out_year_is_not_in_the_quick_study() -> None:
    found = CliRunner().invoke(study, ["--quick", "--held-out"])
    assert found.exit_code == 2
    assert "The quick study has no held-out year" in found.output


def test_the_held_out_year_is_on_no_grid_that_another_chapter_reads() -> None:
    (kept,) = held_out()
    others = {of.base.signal.path for of in full_study()}
    assert kept.base.signal.path not in others
    assert {start.year for start in kept.starts} == {2020}
    assert YEAR_2022 in others
    assert kept.shares == TARGET_SHARES


def test_a_dated_run_differs_by_its_seeds_date() -> None:
    of = chapter()
    made = [
        simulate(of.scenario(of.find("random"), seed).altered(seed=1, workload={"learn": False}))
        for seed in (1, 2)
    ]
    assert made[0].gco2eq != made[1].gco2eq


ACTUAL = """zone,timestamp,gCO2eq_per_kWh,direct_gCO2eq_per_kWh
FR,2020-01-01T00:00Z,50.5,20
FR,2020-01-01T01:00Z,60,21
"""


def test_a_file_without_forecasts_is_what_the_grids_did(tmp_path: Path) -> None:
    path = tmp_path / "actual.csv"
    path.write_text(ACTUAL)
    signal = Actual(path)
    first, last = signal.span("FR")
    assert [r.gco2eq_per_kwh for r in signal.readings("FR", first, last)] == [50.5]
    of = chapter()
    base = of.scenario(of.find("random"), 1).altered(
        start="2020-01-01T00:00:00Z", forecast={"mode": "recorded", "path": path}
    )
    with pytest.raises(SettingError, match="holds no forecasts, only what the grids did"):
        simulate(base)
