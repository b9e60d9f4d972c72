"""The rounds of a run as the page shows them: what is behind each score, and where it began."""

from __future__ import annotations

from scheduler.ledger.events import Coverage, RoundEvaluated
from tasks.monitor.page.history import RunHistory, curve, round_page
from tasks.monitor.page.query import RoundQuery
from tests.unit.scheduler.story import Story


def story() -> Story:
    scene = Story("a", "b")
    scene.start()
    for number in (1, 2):
        scene.plan("a", "b")
        scene.answer("a", f"a{number}")
        scene.answer("b", f"b{number}")
        scene.close()
    lacks = {"accuracy": Coverage(sites=1, examples=64)}
    first = RoundEvaluated(metrics={"accuracy": 0.9}, sites=2, examples=128, partly=lacks)
    scene.tell(first, run="r", number=1)
    scene.tell(RoundEvaluated(metrics={"accuracy": 0.8}, sites=2, examples=128), run="r", number=2)
    return scene


def test_a_mean_of_some_sites_has_their_number_beside_it_in_the_table() -> None:
    rows = RunHistory().read(story().state.runs["r"])
    shown = round_page(rows, RoundQuery())["rows"]
    assert shown["1"]["reported"] == {
        "sites": 1, "of_sites": 2, "examples": 64, "of_examples": 128,
    }  # fmt: skip
    assert shown["2"]["reported"] is None
    assert story().state.runs["r"].best_value == 0.8


def test_the_curve_begins_with_version_0_where_that_was_evaluated() -> None:
    run = story().state.runs["r"]
    rows = RunHistory().read(run)
    assert curve(rows)["round"] == [1, 2]
    drawn = curve(rows, 0.1)
    assert drawn["round"] == [0, 1, 2]
    assert (drawn["value"][0], drawn["emitted"][0], drawn["baseline"][0]) == (0.1, 0.0, 0.0)
    assert curve([], 0.1)["round"] == []
