"""The study: its statistics by hand, its tables, and some of its kept results made again."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean

import pytest
from click.testing import CliRunner

from common.errors import SettingError
from scheduler.report.canvas import Scale
from simulation.outcome import Outcome, RoundOutcome
from simulation.run import simulate
from simulation.study import policy_tables
from simulation.study.all_chapters import full_study, quick_study
from simulation.study.chapters import opening, page_of, quick_page_of
from simulation.study.charts import bars, curves, draw
from simulation.study.cli import study
from simulation.study.comparison import compare, holm_p
from simulation.study.conduct import StudyResults, cases, only
from simulation.study.contender import Chapter
from simulation.study.measures import Row, Yardstick, longest_wait_h, measure, yardstick
from simulation.study.sections import targets
from simulation.study.statistics import estimate, holm, paired_p

PROJECT = Path(__file__).resolve().parents[3]
PAGES = PROJECT / "docs" / "study"
KEPT = PAGES / "quick.json"


def closed(number: int, accuracy: float, cohort: tuple[str, ...] = ("a", "b")) -> RoundOutcome:
    return RoundOutcome(
        number=number, started_h=float(number), ended_h=number + 0.5, invited=2, cohort=cohort,
        gco2eq=10.0, energy_wh=20.0, baseline_gco2eq=None, spent_gco2eq=10.0 * number,
        counted_gco2eq=10.0 * number, metrics={"accuracy": accuracy},
    )  # fmt: skip


def outcome(*accuracies: float, cohort: tuple[str, ...] = ("a", "b")) -> Outcome:
    rounds = tuple(closed(n, value, cohort) for n, value in enumerate(accuracies, start=1))
    return Outcome(
        scenario="x", policy="random", lower_is_better=False, seed=1, rounds=rounds,
        end_reason="rounds", hours=len(rounds) + 1.0,
        energy_wh=20.0 * len(rounds), gco2eq=10.0 * len(rounds),
        uncounted_wh=0.0, uncounted_gco2eq=0.0, unreported=0,
        participations={"a": len(rounds), "b": len(rounds) * ("b" in cohort)}, labels=(),
        label_shares={}, decisions="d" * 64, version="e" * 64, batched=None, reason="", wall_s=0.0,
    )  # fmt: skip


def quick_chapter(name: str = "mixed") -> Chapter:
    return only(quick_study(), [name])[0]


def row(who: str, seed: int, grams: float | None, **more: object) -> Row:
    chapter = quick_chapter()
    by = Yardstick("accuracy", 0.5, 100.0)
    made = measure(chapter, chapter.find(who), seed, outcome=outcome(0.1, 0.6, 0.7, 0.8), by=by)
    return replace(made, grams_to_target=grams, **more)  # type: ignore[arg-type]


def results(**grams: tuple[float | None, ...]) -> StudyResults:
    chapter = quick_chapter()
    chapter = replace(
        chapter, contenders=tuple(c for c in chapter.contenders if c.name in grams)
    )  # fmt: skip
    rows = [row(who, seed, g) for who, some in grams.items() for seed, g in enumerate(some, 1)]
    return StudyResults((chapter,), {"mixed": Yardstick("accuracy", 0.5, 100.0)}, tuple(rows))


def test_a_mean_has_the_interval_of_students_t():
    # Of 1, 2, 3: s = 1, t(0.975, 2) = 4.3027, so half is 4.3027 / sqrt(3) = 2.4841.
    assert estimate([1, 2, 3]).mean == 2
    assert estimate([1, 2, 3]).half == pytest.approx(2.4841, abs=1e-4)
    assert estimate([5]).half is None


def test_a_paired_test_is_of_the_ratio_on_logarithms():
    # Ratios e^1, e^2, e^3: mean 2, s 1, t = 2 sqrt(3) = 3.4641 with 2 degrees of freedom, whose
    # two-sided p is 1 - t / sqrt(t^2 + 2) = 0.0742.
    theirs = [2.0, 5.0, 7.0]
    ours = [value * math.exp(n) for n, value in enumerate(theirs, start=1)]
    assert paired_p(ours, theirs) == pytest.approx(1 - 3.4641 / math.sqrt(14), abs=1e-4)
    assert paired_p(theirs, ours) == pytest.approx(paired_p(ours, theirs))
    assert paired_p(ours, ours) == 1
    assert math.isnan(paired_p([1.0], [2.0]))


def test_holms_correction_multiplies_by_how_many_are_left_and_never_falls():
    # Ordered 0.01, 0.02, 0.03, 0.4: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.4.
    assert holm([0.03, 0.01, 0.4, 0.02]) == pytest.approx([0.06, 0.04, 0.4, 0.06])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def test_the_target_is_a_share_of_the_unconstrained_runs_last_versions():
    free = [outcome(0.0, 0.8, 0.8, 0.8, 0.8, 0.8), outcome(0.0, 1.0, 1.0, 1.0, 1.0, 1.0)]
    found = yardstick("accuracy", free, [outcome(0.1), outcome(0.1, 0.2, 0.3)])
    assert found.target == pytest.approx(0.98 * 0.9)
    assert found.reference_gco2eq == pytest.approx(20)


def test_a_run_is_measured_by_three_versions_in_a_row():
    chapter = quick_chapter()
    by = Yardstick("accuracy", target=0.6, reference_gco2eq=200.0)
    made = outcome(0.1, 0.9, 0.3, 0.6, 0.9, 0.9, cohort=("a",))
    found = measure(chapter, chapter.find("random"), 7, outcome=made, by=by)
    # Means of three: 0.433 at 30 g, 0.6 at 40 g, 0.6 at 50 g, 0.8 at 60 g.
    assert (found.grams_to_target, found.hours_to_target) == (40.0, 4.5)
    assert found.at_small is None  # 20 g: two versions
    assert found.at_large == pytest.approx(0.8)  # 60 g
    assert found.final == pytest.approx(fmean([0.9, 0.3, 0.6, 0.9, 0.9]))
    assert (found.least, found.jain, found.forecast) == (0, 0.5, "ar1")
    assert found.curve[0] == (30.0, 0.4333)


def falling(*errors: float) -> Outcome:
    made = outcome(*errors)
    rounds = tuple(replace(r, metrics={"gap": r.metrics["accuracy"]}) for r in made.rounds)
    return replace(made, rounds=rounds, lower_is_better=True)


def test_of_an_error_the_target_is_a_little_more_than_the_unconstrained_runs_have():
    found = yardstick("gap", [falling(9.0, 4.9, 4.9, 4.9, 4.9, 4.9)], [falling(1.0)])
    assert found.target == pytest.approx(5.0)
    chapter = quick_chapter()
    row = measure(chapter, chapter.find("random"), 7, outcome=falling(9.0, 7.0, 5.0, 3.0), by=found)
    # Means of three: 7 at 30 g, 5 at 40 g.
    assert row.grams_to_target == 40.0


def test_a_final_metric_that_no_version_has_is_unknown_and_no_target():
    by, chapter = Yardstick("auc", 0.6, 200.0), quick_chapter()
    row = measure(chapter, chapter.find("random"), 7, outcome=outcome(0.1, 0.9), by=by)
    assert row.final is None
    # One run of two knows it: 0.98 * 0.5.
    assert yardstick("gap", [falling(0.49), outcome(0.3)], [outcome(0.1)]).target == 0.5
    with pytest.raises(SettingError, match="has a known auc"):
        yardstick("auc", [outcome(0.3)], [outcome(0.1)])


def test_the_longest_wait_counts_from_the_start_and_to_the_end():
    assert longest_wait_h(outcome(0.1, 0.2)) == 1
    assert longest_wait_h(outcome(0.1, 0.2, cohort=("a",))) == 3  # b, for all the run's hours


def test_who_misses_the_target_with_a_seed_has_no_mean_and_is_not_the_best():
    found = results(
        random=(100.0, 110.0), greedy=(10.0, None), oort=(60.0, 62.0), fairwind=(30.0, 31.0)
    )
    standing = compare(found, found.chapters[0])
    assert standing.best == "oort"
    assert standing.ratio("oort") == pytest.approx(0.5)
    assert standing.ratio("greedy") is None
    told = policy_tables.policies(found, found.chapters[0])
    assert "| greedy | 1 of 2 | - |" in told
    assert "greedy" not in holm_p(found, found.chapters[0])
    assert "| mixed | 30.5 ± 6.4 | 61.0 ± 12.7 (oort) | 105 ± 64 |" in policy_tables.summary(found)


def test_a_loss_is_told_as_a_loss():
    found = results(random=(100.0, 110.0), oort=(30.0, 31.0), fairwind=(60.0, 62.0))
    assert "| 2.00 | 0.58 | - |" in policy_tables.summary(found)
    told = targets(found)
    assert "at most 0.5 of random | 0.58 | **no** |" in told
    assert "at most 0.85 of oort | 2.00 | **no** |" in told


def test_figures_are_drawn_also_of_those_who_never_arrive():
    found = results(random=(100.0, 110.0), oort=(None, None), fairwind=(30.0, 31.0))
    assert "0 of 2" in bars(found, found.chapters)
    assert curves(found, found.chapters[0]).count('class="band') == 2


def test_the_page_of_the_full_study_tells_every_chapter_and_draws_what_it_shows():
    by = Yardstick("accuracy", 0.6, 200.0)
    made = outcome(0.1, 0.9, 0.3, 0.6, 0.9, 0.9)
    chapters = full_study()
    rows = [measure(c, who, seed, outcome=made, by=by) for c, who, seed in cases(chapters)]
    found = StudyResults(chapters, {chapter.name: by for chapter in chapters}, tuple(rows))
    page = page_of(found, "Made by hand.")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "In short", *(chapter.name for chapter in chapters)
    ]  # fmt: skip
    assert set(re.findall(r"\]\((.+?\.svg)\)", page)) == set(draw(found, quick=False))
    assert "| 5.7% | 93.90 | 98.26 | 72.0 ± 0.0 | 72.0 ± 0.0 | 72.0 ± 0.0 |" in page
    assert "| fairness 0.6 | 40.0 ± 0.0 |" in page
    assert "| fairwind | 40.0 ± 0.0 | 40.0 ± 0.0 (+0%) |" in page


def test_ticks_are_round():
    assert Scale(0, 103, 0, 1).ticks() == [0, 50, 100]
    assert Scale(3, 250, 0, 1, log=True).ticks() == [5, 10, 20, 50, 100, 200]


@pytest.mark.parametrize("chapters", [full_study(), quick_study()], ids=["full", "quick"])
def test_every_run_of_the_catalogue_is_a_valid_scenario(chapters):
    for chapter, who, seed in cases(chapters):
        made = chapter.scenario(who, seed, 5.0 if who.grams_share else None)
        assert made.run.policy == who.policy
        assert made.seed == made.run.seed == seed
    keys = [(chapter.name, who.key, seed) for chapter, who, seed in cases(chapters)]
    assert len(set(keys)) == len(keys)


def test_budgets_wait_for_what_they_are_shares_of():
    shares = [who.grams_share for _, who, _ in cases(quick_study())]
    assert shares == sorted(shares, key=lambda share: share is not None)


def test_an_unknown_chapter_is_told_in_one_line():
    found = CliRunner().invoke(study, ["--quick", "--only", "nowhere"])
    assert isinstance(found.exception, SettingError)
    assert "Choose mixed, flat, skew." in str(found.exception)


@pytest.mark.parametrize("who", ["random", "fairwind"])
def test_kept_results_are_found_again(who):
    kept = json.loads(KEPT.read_text("utf-8"))
    told = next(
        line
        for line in kept["rows"]
        if (line["chapter"], line["contender"], line["seed"]) == ("flat", who, 1)
    )
    chapter = quick_chapter("flat")
    made = simulate(chapter.scenario(chapter.find(who), 1))
    by = Yardstick(**kept["chapters"]["flat"])
    found = measure(chapter, chapter.find(who), 1, outcome=made, by=by)
    assert found.decisions == told["decisions"]
    for name in ("grams_to_target", "final", "gco2eq", "jain"):
        assert getattr(found, name) == pytest.approx(told[name], rel=1e-3), name


def results_of(path: Path, chapters: tuple[Chapter, ...]) -> tuple[StudyResults, str]:
    """Return the results that a study has left, and how they were made."""
    kept = json.loads(path.read_text("utf-8"))
    known = {chapter: Yardstick(**by) for chapter, by in kept["chapters"].items()}
    names = [field.name for field in fields(Row)]
    rows = tuple(
        Row(**{name: line.get(name, () if name == "curve" else None) for name in names})
        for line in kept["rows"]
    )
    return StudyResults(chapters, known, rows), kept["made"]


def test_the_pages_and_the_readme_show_the_kept_results():
    quick, made = results_of(KEPT, quick_study())
    assert (PAGES / "quick.md").read_text("utf-8") == quick_page_of(quick, made)
    full, made = results_of(PAGES / "results.json", full_study())
    assert (PAGES / "README.md").read_text("utf-8") == page_of(full, made)
    marked = re.findall(
        "<!-- study -->\n(.*?)\n<!-- study -->",
        (PROJECT / "README.md").read_text("utf-8"),
        re.DOTALL,
    )
    assert marked == [opening(full)]


def test_every_figure_of_the_readmes_losses_is_in_the_study():
    page = (PAGES / "README.md").read_text("utf-8")
    readme = (PROJECT / "README.md").read_text("utf-8")
    losses = readme.partition("**Where it loses:**\n")[2].partition("\n## ")[0]
    figures = re.findall(r"\d+(?:\.\d+)?(?: of \d)?", losses)
    assert len(figures) >= 8
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.]*\d)", page), figure
