"""Two runs side by side: what each level of the metric cost, and how their specs differ."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scheduler.ledger.events import Coverage, RoundEvaluated
from scheduler.status.comparison import Difference, compare
from scheduler.status.milestones import milestones
from tests.unit.scheduler.story import HOUR, Story, spec


def play(story: Story, run: str, *scores: Mapping[str, float | None], **fields: Any) -> None:
    """Let a run have a round an hour, each of 0.1 gCO2eq, with these scores."""
    story.start(spec(id=run, rounds=9, quorum=1, **fields))
    for number, metrics in enumerate(scores, 1):
        story.plan("a", run=run)
        story.later(HOUR)
        story.answer("a", f"{run}{number}", run=run, round=number)
        story.close(run)
        if metrics:
            story.tell(RoundEvaluated(metrics=dict(metrics)), run=run, number=number)


def test_each_run_is_measured_where_it_first_reaches_what_both_reached() -> None:
    story = Story("a")
    play(story, "fast", {"accuracy": 0.7}, {"accuracy": 0.9}, {"accuracy": 0.95})
    play(story, "slow", {"accuracy": 0.4}, {}, {"accuracy": 0.8}, {"accuracy": 0.9})
    found = compare(story.state.runs["fast"], story.state.runs["slow"])
    assert (found.metric, found.level) == ("accuracy", 0.9)
    points = [(p.round, p.hours, p.value) for p in found.first.points]
    assert points == [(1, 1.0, 0.7), (2, 2.0, 0.9), (3, 3.0, 0.95)]
    assert [p.gco2eq for p in found.first.points] == pytest.approx([0.1, 0.2, 0.3])
    assert found.first.at_level == found.first.points[1]
    assert [point.round for point in found.second.points] == [1, 3, 4]
    assert found.second.at_level == found.second.points[-1]
    assert found.second.points[-1].gco2eq == pytest.approx(0.4)


def test_a_loss_is_better_when_it_is_lower() -> None:
    story = Story("a")
    play(story, "one", {"loss": 2.0}, {"loss": 0.5}, metric="loss")
    play(story, "two", {"loss": 1.0}, {"loss": 0.25}, metric="loss")
    found = compare(story.state.runs["one"], story.state.runs["two"])
    assert found.level == 0.5
    assert found.first.at_level is not None
    assert found.first.at_level.round == 2
    assert found.second.at_level is not None
    assert found.second.at_level.round == 2


def test_runs_with_different_metrics_are_measured_by_one_that_both_have() -> None:
    story = Story("a")
    play(story, "one", {"f1": 0.5}, metric="f1")
    play(story, "two", {"accuracy": 0.6, "f1": 0.4})
    play(story, "three", {"accuracy": 0.6})
    runs = story.state.runs
    assert compare(runs["one"], runs["two"]).metric == "f1"
    assert compare(runs["two"], runs["one"]).metric == "f1"
    apart = compare(runs["one"], runs["three"])
    assert (apart.metric, apart.level, apart.first.points) == (None, None, ())


def test_a_run_without_a_score_has_no_level() -> None:
    story = Story("a")
    play(story, "one", {"accuracy": 0.5})
    play(story, "two")
    found = compare(story.state.runs["one"], story.state.runs["two"])
    assert (found.metric, found.level) == ("accuracy", None)
    assert found.first.at_level is None
    assert len(found.first.points) == 1


def test_differences_are_named_as_in_a_run_file() -> None:
    story = Story("a")
    play(story, "one", hyperparameters={"learning_rate": 0.1}, policy="random")
    play(
        story, "two", hyperparameters={"learning_rate": 0.05}, policy_options={"alpha": 2.0},
        workload="heart",
    )  # fmt: skip
    found = compare(story.state.runs["one"], story.state.runs["two"])
    assert found.differences == (
        Difference("workload", "digits", "heart"),
        Difference("hyperparameters.learning_rate", 0.1, 0.05),
        Difference("policy", "random", "fairwind"),
        Difference("policy_options.alpha", None, 2.0),
    )
    assert not found.same_workload


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    story = Story("a")
    play(story, "one", *[{"accuracy": number / 10} for number in range(9)])
    play(story, "two", {"accuracy": 0.1})
    found = compare(story.state.runs["one"], story.state.runs["two"]).to_dict(most_points=4)
    assert [point["round"] for point in found["first"]["points"]] == [1, 4, 6, 9]
    assert len(found["second"]["points"]) == 1
    assert json.loads(json.dumps(found))["level"] == 0.1


def test_runs_are_compared_by_the_least_where_less_is_better_whatever_its_name() -> None:
    story = Story("a")
    play(story, "one", {"gap": 5.0}, {"gap": 3.0}, {"gap": 2.0}, metric="-gap")
    play(story, "two", {"gap": 4.0}, {"gap": 2.5}, metric="-gap")
    found = compare(story.state.runs["one"], story.state.runs["two"])
    assert (found.lower_is_better, found.level) == (True, 2.5)
    assert found.first.at_level is not None
    assert found.second.at_level is not None
    assert (found.first.at_level.round, found.second.at_level.round) == (3, 2)
    assert [each.level for each in milestones(found, steps=2)] == [5.0, 2.5, 2.0]


def test_a_mean_that_lacks_a_site_reaches_no_level() -> None:
    story = Story("a")
    play(story, "one", {"accuracy": 0.5})
    story.plan("a", run="one")
    story.answer("a", "one2", run="one", round=2)
    story.close("one")
    lacks = {"accuracy": Coverage(sites=1, examples=4)}
    scored = RoundEvaluated(metrics={"accuracy": 0.9}, sites=2, examples=8, partly=lacks)
    story.tell(scored, run="one", number=2)
    play(story, "two", {"accuracy": 0.9})
    found = compare(story.state.runs["one"], story.state.runs["two"])
    assert [point.value for point in found.first.points] == [0.5]
    assert found.level == 0.5
