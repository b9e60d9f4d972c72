"""The study's pages and figures: losses first, paired ratios, what each rule adds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.report.canvas import Scale
from simulation.study.all_chapters import full_study, quick_study
from simulation.study.charts import bars, curves, draw
from simulation.study.comparison import best_published, duel
from simulation.study.conduct import StudyResults, cases
from simulation.study.field import RATES, TUNED, at_rate
from simulation.study.headline import headline
from simulation.study.measures import Yardstick, measure
from simulation.study.page import page_of, quick_page_of
from simulation.study.policy_tables import equals, losses, ratios, split, summary
from simulation.study.sections import idle
from simulation.study.targets import targets
from simulation.study.tuning import with_rates
from simulation.study.writing import Making, write
from tests.unit.simulation.study.results import outcome, results

QUICK = quick_study()[0]
FULL = {chapter.name: chapter for chapter in full_study()}
HELD_OUT = replace(FULL["held_out"], starts=FULL["held_out"].starts[:3])


def test_losses_come_first_and_the_worst_of_them_on_top() -> None:
    found = results(
        QUICK, oort=(50.0, 51.0, 49.0), lowcarb=(20.0, 21.0, 19.0), greedy=(None, 10.0, 10.0)
    )
    lines = losses(found).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == ["lowcarb"] * 3 + ["oort"] * 3
    page = quick_page_of(found, "Made by hand.")
    assert page.index("## Where fairwind loses") < page.index("## mixed")
    assert "Starts: 2022-02-08, 2022-06-28, 2022-11-15." in page


def test_a_rival_that_arrives_more_often_is_a_loss_and_comes_first() -> None:
    found = results(QUICK, oort=(50.0, 51.0, 49.0), fairwind=(None, 10.0, 10.0))
    assert "2 runs against 3 reached it" in losses(found).splitlines()[2]


def test_a_rival_with_our_work_that_beats_ours_is_a_loss_too() -> None:
    who = at_rate("alpha_fair", 1.0)
    found = results(HELD_OUT, **{who.replace(", ", "_").replace(" ", "_"): (50.0, 51.0, 49.0)})
    assert f"| held_out | {who} | 98% | **2.00** [" in losses(found)
    assert f"| {who} | 50.0 ± 2.5 | 50.0 ± 2.5 |" in equals(found, found.chapters[0])


def test_our_own_variants_and_bounds_are_no_rivals() -> None:
    found = results(
        HELD_OUT, oracle=(1.0, 1.0, 1.0), all=(1.0, 1.0, 1.0), fairwind_wait=(1.0, 1.0, 1.0)
    )
    assert losses(found).startswith("At no target, against no rival")


def test_weak_anchors_and_bounds_are_labelled() -> None:
    found = results(HELD_OUT)
    table = ratios(found, found.chapters[0])
    assert "| greedy (weak anchor) |" in table
    assert "| oracle (bound) |" in table
    assert "| greedy (weak anchor) |" in headline(found)


def test_the_parts_of_a_win_multiply_to_the_whole() -> None:
    found = results(
        QUICK, random=(100.0,) * 3, fairwind_even_turns=(90.0,) * 3, fairwind_place=(60.0,) * 3,
        fairwind_time=(50.0,) * 3, fairwind_less_work=(30.0,) * 3, fairwind=(15.0,) * 3,
    )  # fmt: skip
    lines = split(found, QUICK).splitlines()[4:]
    parts = [line.split("|")[1:3] for line in lines]
    assert [(name.strip(), cell.split("[")[0].strip(" *")) for name, cell in parts] == [
        ("even turns", "0.90"), ("place", "0.67"), ("time", "0.83"), ("less work", "0.60"),
        ("round size", "0.50"), ("all of it", "0.15"),
    ]  # fmt: skip


def test_a_policy_that_misses_the_target_with_a_seed_has_no_mean_and_is_not_the_best() -> None:
    found = results(
        QUICK, random=(100.0, 110.0, 105.0), greedy=(10.0, None, 10.0), oort=(60.0, 62.0, 61.0),
        fairwind=(30.0, 31.0, 30.5),
    )  # fmt: skip
    assert best_published(found, QUICK) == "oort"
    assert duel(found, QUICK, "greedy").ratio is None
    assert "| greedy (weak anchor) | 2 of 3 | 3 runs against 2 reached it |" in ratios(found, QUICK)
    line = summary(found).splitlines()[2]
    assert line.startswith("| mixed | 30.5 ± 1.2 | **0.29** [")
    assert "**0.50** [0.50, 0.50] (oort)" in line


def test_a_missed_target_is_shown_as_missed() -> None:
    found = results(
        HELD_OUT, random=(100.0, 100.0, 100.0), oort=(30.0, 30.0, 30.0), fairwind=(60.0,) * 3
    )
    table = targets(found)
    assert "| held_out: grams to 98 % at most 0.5 of random | **0.60** [0.60, 0.60] | **no** |" in (
        table
    )
    assert "at most 0.85 of oort | **2.00** [2.00, 2.00] | **no** |" in table
    assert "held_out: hours to 98 % at most 1.5 of random | 1.00 [1.00, 1.00] | yes |" in table


def test_idle_machines_show_what_they_add_and_what_ratios_become() -> None:
    of = replace(FULL["idle"], starts=FULL["idle"].starts[:2])
    found = results(of, fairwind=(60.0, 60.0), random=(120.0, 120.0))
    rows = []
    for row in found.rows:
        points = tuple(replace(p, with_idle_gco2eq=(p.gco2eq or 0) + 60) for p in row.reached)
        rows.append(replace(row, reached=points, idle_wh=8.0))  # 80 Wh of work
    table = idle(replace(found, rows=tuple(rows)), of)
    assert "all machines together use 10% of what `random` uses for work" in table
    assert "| random | 120 ± 0 | **0.50** [0.50, 0.50] | 180 ± 0 | **0.67** [0.67, 0.67] |" in table


def test_figures_are_drawn_also_of_those_that_never_arrive() -> None:
    found = results(QUICK, oort=(None, None, None))
    assert "0 of 3" in bars(found, found.chapters)
    assert curves(found, QUICK).count('class="band') >= 2


def test_the_page_of_the_full_study_has_every_chapter_and_draws_what_it_shows() -> None:
    by = Yardstick("accuracy", 0.6, 200.0)
    made = outcome(0.1, 0.9, 0.3, 0.6, 0.9, 0.9)
    rates = dict.fromkeys(TUNED, RATES[0])
    chapters = tuple(with_rates(c, rates) if c.is_held_out else c for c in full_study())
    rows = [measure(c, who, seed, outcome=made, by=by) for c, who, seed in cases(chapters)]
    found = StudyResults(chapters, {c.name: by for c in chapters}, tuple(rows), rates)
    page = page_of(found, "Made by hand.")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "Where fairwind loses", "In short", "Targets set beforehand",
        *(chapter.name for chapter in chapters),
    ]  # fmt: skip
    assert chapters[-1].is_held_out
    assert set(re.findall(r"\]\((.+?\.svg)\)", page)) == set(draw(found, quick=False))
    assert "| 5.7% | 93.90 | 98.26 | 72.0 ± 0.0 | 72.0 ± 0.0 | 72.0 ± 0.0 |" in page
    assert "| fairness 0.95 | 40.0 ± 0.0 |" in page
    assert "| fairwind | 40.0 ± 0.0 | 40.0 ± 0.0 (+0%) |" in page
    assert "on real and mixed: random 1, alpha_fair 1, lowcarb 1, oort 1, fairwind 1." in page


def test_the_quick_study_writes_its_page_results_and_figure(tmp_path: Path) -> None:
    making = Making(command="fairwind study --quick", jobs=1, took_s=1.0, quick=True)
    written = write(results(*quick_study()), making, tmp_path)
    assert [path.name for path in written] == ["quick.md", "quick.json", "quick-grams.svg"]
    assert '"reached":[{"share":0.95,"gco2eq":100.0,"hours":7.0,' in written[1].read_text()


def test_ticks_are_round() -> None:
    assert Scale(0, 103, 0, 1).ticks() == [0, 50, 100]
    assert Scale(3, 250, 0, 1, log=True).ticks() == [5, 10, 20, 50, 100, 200]


@pytest.mark.parametrize("name", ["held_out", "real", "mixed"])
def test_chapters_with_equals_also_split_the_win(name: str) -> None:
    assert FULL[name].of("equal")
    assert FULL[name].of("ablation")
