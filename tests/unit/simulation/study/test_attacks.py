"""The attack table: its runs, its page, and a slice of it that is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.robust import RULES
from simulation.scenario.attacks import ATTACKS, Attack
from simulation.study.attack_cases import DIGITS, PNEUMONIA, Case, cases, scenario_of
from simulation.study.attack_page import AIM, page_of, tables_of
from simulation.study.attack_study import compare_rules, write_table
from simulation.study.cli import study

HEADLINE = DIGITS[0]


def test_every_rule_meets_every_attack_and_each_run_is_a_valid_scenario() -> None:
    found = list(cases((*DIGITS, *PNEUMONIA)))
    assert {(case.rule, case.attack) for case in found if case.setting is HEADLINE} == {
        (rule, attack) for rule in RULES for attack in (None, *ATTACKS)
    }
    for case in found:
        scenario = scenario_of(case)
        liars = sum(part.count for part in scenario.clients if part.attack == case.attack)
        assert case.attack is None or liars == case.setting.liars
        assert sum(part.count for part in scenario.clients) == 20


def by_hand(mean: Sequence[float], ours: Sequence[float]) -> str:
    """Return a page of two rules and three columns."""
    setting = replace(HEADLINE, rules=("mean", "nnm-trimmed"), seeds=(1,))
    attacks: tuple[Attack | None, ...] = (None, *ATTACKS)
    scored = []
    for rule, values in (("mean", mean), ("nnm-trimmed", ours)):
        padded = [*values, *[1.0] * (len(attacks) - len(values))]
        pairs = zip(attacks, padded, strict=True)
        scored += [(Case(setting, rule, attack, 1), value) for attack, value in pairs]
    return page_of(tables_of(scored), "Made by hand.")


def test_the_worst_case_comes_first_and_says_whether_the_aim_is_met() -> None:
    page = by_hand([0.95, 0.1], [0.94, 0.925])
    assert "under its worst attack `mean` has 10.0 %, `nnm-trimmed` 92.5 %" in page
    assert f"The aim was {100 * AIM:.1f} %: met. Without liars `mean` has 95.0 %." in page
    assert "| mean | 95.0 | 10.0 |" in page
    assert "| **92.5** |" in page
    assert "92.0 %: missed" in by_hand([0.95, 0.1], [0.94, 0.91])


def test_where_no_rule_withstands_an_attack_the_page_says_so() -> None:
    assert "liars hide among them" in by_hand([0.95, 0.1], [0.94, 0.7])
    assert "liars hide among them" not in by_hand([0.95, 0.1], [0.94, 0.925])


def test_a_slice_of_the_table_as_it_is_simulated(tmp_path: Path) -> None:
    short = replace(HEADLINE, rounds=15)
    runs = [Case(short, rule, "sign-flip-3", 1) for rule in ("mean", "nnm-trimmed")]
    (table,) = compare_rules(runs, cache=tmp_path / "kept")
    assert table.cells["mean"]["sign-flip-3"] < 0.3
    assert table.cells["nnm-trimmed"]["sign-flip-3"] > 0.8
    assert compare_rules(runs, cache=tmp_path / "kept") == [table]
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_the_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    scored = [(case, 0.5) for case in cases([HEADLINE])]
    path = write_table(tables_of(scored), "Made by hand.", tmp_path / "out")
    assert path.read_text().startswith("# Liars")


@pytest.mark.parametrize("other", [["--quick"], ["--only", "mixed"]])
def test_the_attack_table_has_no_chapters(other: list[str]) -> None:
    found = CliRunner().invoke(study, ["--attacks", *other])
    assert found.exit_code == 2
    assert "Leave out --quick and --only" in found.output
