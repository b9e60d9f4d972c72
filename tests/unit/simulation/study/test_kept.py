"""The results that the project keeps: some are made again, and pages show them to the digit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from simulation.run import simulate
from simulation.study.all_chapters import full_study, quick_study
from simulation.study.charts import draw
from simulation.study.conduct import StudyResults, num_runs
from simulation.study.contender import Chapter
from simulation.study.headline import headline
from simulation.study.measures import measure
from simulation.study.page import page_of, quick_page_of
from tests.unit.simulation.study.results import PAGES, PROJECT, kept

QUICK, QUICK_MADE = kept(PAGES / "quick.json", quick_study())
FULL, FULL_MADE = kept(PAGES / "results.json", full_study())


def assert_found_again(results: StudyResults, chapter: Chapter, who: str, seed: int) -> None:
    """Simulate a run of which nothing depends on others', and compare it with the kept one."""
    (told,) = (row for row in results.of(chapter.name, who) if row.seed == seed)
    made = simulate(chapter.scenario(chapter.find(who), seed))
    found = measure(
        chapter, chapter.find(who), seed, outcome=made, by=results.yardsticks[chapter.name]
    )
    assert found.decisions == told.decisions
    for name in ("grams_to_target", "final", "gco2eq", "jain"):
        assert getattr(found, name) == pytest.approx(getattr(told, name), rel=1e-3), name


@pytest.mark.parametrize("who", ["random", "fairwind"])
def test_kept_results_of_the_quick_study_are_found_again(who: str) -> None:
    (flat,) = (chapter for chapter in QUICK.chapters if chapter.name == "flat")
    assert_found_again(QUICK, flat, who, 1)


@pytest.mark.parametrize("who", ["random", "fairwind"])
def test_kept_results_of_the_held_out_year_are_found_again(who: str) -> None:
    held_out = FULL.chapters[-1]
    folder = os.environ.get("FAIRWIND_DATA")
    path = held_out.base.signal.path
    if folder is None or path is None or not (Path(folder) / path).exists():
        pytest.skip(f"FAIRWIND_DATA names no folder with {path}")
    assert_found_again(FULL, held_out, who, 1)


def test_the_pages_and_the_readme_show_the_kept_results() -> None:
    assert (PAGES / "quick.md").read_text("utf-8") == quick_page_of(QUICK, QUICK_MADE)
    assert (PAGES / "README.md").read_text("utf-8") == page_of(FULL, FULL_MADE)
    marked = re.findall(
        "<!-- study -->\n(.*?)\n<!-- study -->",
        (PROJECT / "README.md").read_text("utf-8"),
        re.DOTALL,
    )
    assert marked == [headline(FULL)]


def test_every_figure_is_drawn_from_the_kept_results() -> None:
    drawn = {**draw(QUICK, quick=True), **draw(FULL, quick=False)}
    assert {path.name: path.read_text("utf-8") for path in PAGES.glob("*.svg")} == drawn


def test_every_run_of_the_catalogues_is_kept() -> None:
    assert len(QUICK.rows) == num_runs(quick_study())
    assert len(FULL.rows) == num_runs(full_study())


def test_the_readme_claims_no_figure_of_the_study_outside_its_table() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    section = text.partition("## What it saves")[2].partition("\n## ")[0]
    own = re.sub("<!-- study -->.*?<!-- study -->", "", section, flags=re.DOTALL)
    # The shares of the target and of the interval, and what ratios and Jain's index are held to.
    assert set(re.findall(r"(?<!\w)\d[\d.]*", own)) <= {"98", "95", "1"}
