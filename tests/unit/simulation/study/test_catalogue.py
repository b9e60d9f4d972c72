"""The catalogue: who is compared, in which federations, at which dates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from common.errors import SettingError
from simulation.study.all_chapters import full_study, quick_study
from simulation.study.cli import study
from simulation.study.conduct import cases, num_runs
from simulation.study.contender import Chapter
from simulation.study.federations import YEAR_2020
from simulation.study.field import FIELD, TUNED, at_rate, chain
from simulation.study.tuning import chosen_rates, with_rates
from tests.unit.simulation.study.results import rows_of

FULL = {chapter.name: chapter for chapter in full_study()}
BOTH = pytest.mark.parametrize("chapters", [full_study(), quick_study()], ids=["full", "quick"])


@BOTH
def test_every_run_is_a_valid_scenario_once(chapters: tuple[Chapter, ...]) -> None:
    for chapter, who, seed in cases(chapters):
        made = chapter.scenario(who, seed, 5.0 if who.grams_share else None)
        assert made.run.policy == who.policy
        assert made.seed == made.run.seed == seed
    keys = [(chapter.name, who.key, seed) for chapter, who, seed in cases(chapters)]
    assert len(set(keys)) == len(keys)


@BOTH
def test_each_seed_starts_at_a_date_of_its_own_which_all_policies_share(
    chapters: tuple[Chapter, ...],
) -> None:
    for of in chapters:
        assert len(set(of.starts)) == len(of.seeds) > 1
        for seed, start in zip(of.seeds, of.starts, strict=True):
            assert {
                of.scenario(who, seed, 5.0 if who.grams_share else None).start
                for who in of.contenders
            } == {start}


def test_budgets_wait_for_what_they_are_shares_of() -> None:
    shares = [who.grams_share for _, who, _ in cases(quick_study())]
    assert shares == sorted(shares, key=lambda share: share is not None)


def test_the_held_out_year_comes_last_and_is_on_no_grids_that_another_chapter_reads() -> None:
    *others, last = FULL.values()
    assert [chapter.name for chapter in FULL.values() if chapter.is_held_out] == [last.name]
    assert YEAR_2020 not in {of.base.signal.path for of in others}
    assert last.base.signal.path == YEAR_2020
    assert {start.year for start in last.starts} == {2020}
    assert {start.year for of in others for start in of.starts} == {2021, 2022}


def test_no_run_of_the_held_out_year_reads_our_own_forecast_which_was_designed_on_it() -> None:
    last = FULL["held_out"]
    modes = {last.scenario(who, 1, 5.0 if who.grams_share else None).forecast.mode
             for who in last.contenders}  # fmt: skip
    assert modes == {"ar1", "perfect"}


def test_our_rounds_aim_at_five_updates_and_there_are_twice_as_many_in_the_same_hours() -> None:
    of = FULL["mixed"]
    theirs, ours = (of.scenario(of.find(name), 1).run for name in ("random", "fairwind"))
    assert (theirs.cohort, theirs.quorum, theirs.rounds, theirs.hours) == (10, 5, 120, 336)
    assert (ours.cohort, ours.quorum, ours.rounds, ours.hours) == (5, 3, 240, 336)


def test_where_clients_come_and_go_ours_invites_six_and_no_more() -> None:
    of = FULL["dropouts"]
    theirs, ours = (of.scenario(of.find(name), 1).run for name in ("random", "fairwind"))
    assert (theirs.cohort, theirs.quorum, theirs.over_selection) == (10, 5, 0.3)
    assert (ours.cohort, ours.quorum, ours.over_selection, ours.rounds) == (6, 3, 0.0, 200)


def test_small_cohorts_stay_as_they_are() -> None:
    of = FULL["brca"]
    ours = of.scenario(of.find("fairwind"), 1).run
    assert (ours.cohort, ours.quorum, ours.rounds) == (3, 2, 60)


def test_an_asynchronous_run_makes_a_version_of_as_many_updates() -> None:
    of = quick_study()[0]
    run = of.scenario(of.find("fairwind, async"), 1).run
    assert (run.mode, run.buffer, run.cohort, run.quorum, run.rounds) == ("async", 5, None, 3, 120)


def test_rules_are_switched_on_one_after_the_other() -> None:
    of, names = quick_study()[0], chain()
    options = [
        dict(next(who for who in of.contenders if who.name == name).options) for name in names[1:5]
    ]
    assert [set(some) for some in options] == [
        {"fairness", "full_share", "horizon_h"}, {"full_share", "horizon_h"}, {"full_share"}, set(),
    ]  # fmt: skip


def test_equals_have_our_round_size_and_work_at_every_learning_rate() -> None:
    of = FULL["mixed"]
    usual = of.base.run.hyperparameters
    for who in of.of("equal"):
        run = of.scenario(who, 1, 5.0 if who.grams_share else None).run
        assert (run.cohort, run.quorum, run.rounds) == (5, 3, 240)
        rate = usual.learning_rate * who.rate_factor
        assert run.hyperparameters == usual.model_copy(update={"learning_rate": rate})
    assert {who.policy.partition(":")[2] for who in of.of("equal")} - {""} == set(TUNED) - {
        "fairwind"
    }


def test_rates_are_chosen_by_arrivals_then_grams_and_never_on_the_held_out_year() -> None:
    training = replace(FULL["mixed"], starts=FULL["mixed"].starts[:2])
    last = replace(FULL["held_out"], starts=FULL["held_out"].starts[:2])
    rows = [
        *rows_of(training, at_rate("oort", 1.0), (10.0, 40.0)),  # 20 in the geometric mean
        *rows_of(training, at_rate("oort", 2.0), (18.0, 18.0)),
        *rows_of(training, at_rate("lowcarb", 1.0), (90.0, 90.0)),
        *rows_of(training, at_rate("lowcarb", 2.0), (None, 1.0)),
        *rows_of(last, at_rate("oort", 1.0), (1.0, 1.0)),
        *rows_of(last, at_rate("random", 1.0), (1.0, 1.0)),
        *rows_of(last, at_rate("random", 2.0), (1.0, 1.0)),
    ]
    rates = chosen_rates((training, last), rows)
    assert rates == {"oort": 2.0, "lowcarb": 1.0}
    names = {who.name for who in with_rates(last, rates).of("equal")}
    assert names == {at_rate("oort", 2.0), at_rate("lowcarb", 1.0)}


def test_the_number_of_runs_counts_the_held_out_year_at_one_rate() -> None:
    chapters = tuple(FULL.values())
    assert num_runs(chapters) == len(cases(chapters)) - len(TUNED) * len(FULL["held_out"].seeds)


def test_published_policies_are_in_rounds_as_published() -> None:
    assert {who.cohort for who in FIELD.values() if who.published} == {None}


def test_an_unknown_chapter_is_one_line() -> None:
    found = CliRunner().invoke(study, ["--quick", "--only", "nowhere"])
    assert isinstance(found.exception, SettingError)
    assert "Choose mixed, flat, skew." in str(found.exception)


def test_workers_of_other_hosts_have_their_own_number_of_processes():
    found = CliRunner().invoke(study, ["--quick", "--on", "celery", "--jobs", "2"])
    assert found.exit_code == 2
    assert "Leave out --jobs, or --on celery." in found.output
