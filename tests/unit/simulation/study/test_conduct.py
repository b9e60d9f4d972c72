"""Conducting a study: a small one from its first run to its pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from simulation.study.conduct import cases, conduct, num_runs
from simulation.study.contender import Chapter
from simulation.study.federations import TYPICAL, clients, federation, starts
from simulation.study.field import at_rate, contenders, equals
from simulation.study.headline import headline
from simulation.study.page import page_of

BASE = federation(
    "mixed", TYPICAL, clients(("FR", "DE"), 6), rounds=4, hours=12, cohort=4, quorum=2,
    hyperparameters={"epochs": 2, "learning_rate": 0.3},
)  # fmt: skip


def tiny(name: str, *, is_held_out: bool) -> Chapter:
    known = (
        *contenders(["random", "all", "alpha_fair", "fairwind"]),
        *(who for who in equals() if who.name.startswith(("random", "fairwind"))),
    )
    return Chapter(
        name, "Six clients", BASE.altered(name=name), known, starts(BASE, 2),
        is_held_out=is_held_out,
    )  # fmt: skip


def test_a_study_chooses_rates_first_then_runs_what_is_held_out_at_these_alone(
    tmp_path: Path,
) -> None:
    chapters = (tiny("held_out", is_held_out=True), tiny("mixed", is_held_out=False))
    done: list[None] = []
    found = conduct(chapters, jobs=1, cache=tmp_path, on_done=lambda: done.append(None))
    assert [chapter.name for chapter in found.chapters] == ["mixed", "held_out"]
    assert set(found.rates) == {"random", "fairwind"}
    last = found.chapters[-1]
    assert {who.name for who in last.of("equal")} == {
        at_rate(name, rate) for name, rate in found.rates.items()
    }
    assert len(done) == len(found.rows) == len(cases(found.chapters))
    page = page_of(found, "Made by a test.")
    assert page.rindex("## held_out") > page.rindex("## mixed")
    assert "fairwind / it" in headline(found)

    again = conduct(chapters, jobs=1, cache=tmp_path, on_done=lambda: None)
    assert again == found


def test_random_with_our_work_chooses_as_random_does_and_emits_less(tmp_path: Path) -> None:
    of = tiny("mixed", is_held_out=False)
    known = [
        replace(who, cohort=None, rate_factor=1.0) for who in of.contenders
        if who.name in {"random", at_rate("random", 1.0)}
    ]  # fmt: skip
    of = replace(of, contenders=(*known, of.find("all")))
    assert num_runs([of]) == 6
    found = conduct([of], jobs=1, cache=tmp_path, on_done=lambda: None)
    usual, ours = found.of("mixed", "random"), found.of("mixed", at_rate("random", 1.0))
    assert [row.decisions for row in usual] == [row.decisions for row in ours]
    assert all(b.gco2eq < a.gco2eq for a, b in zip(usual, ours, strict=True))
