"""A run ends when it has learned enough, or nothing for a while, and no site trains on for that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.errors import WorkloadError
from scheduler.ledger.events import RoundPlanned
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.opening import check_goal
from scheduler.status.explain import explain_run
from scheduler.status.summary import summary
from tests.unit.scheduler.rounds.memory_world import MemoryWorld

VALUES = [0.5, 0.8, 0.91, 0.95, 0.96]

RISING: dict[int, dict[str, float | None]] = {
    number: {"accuracy": value, "loss": 1 - value} for number, value in enumerate(VALUES, start=1)
}


def planned(world: MemoryWorld) -> int:
    return sum(isinstance(event.payload, RoundPlanned) for event in world.history.events)


@pytest.mark.parametrize(
    ("goal", "rounds"),
    [("accuracy>=0.91", 3), ("accuracy > 0.91", 4), ("loss<=0.2", 2), ("loss<0.0", 5)],
)
def test_a_run_ends_with_the_first_version_that_reaches_its_goal(goal, rounds):
    world = MemoryWorld("a", "b")
    world.learning.scores = RISING
    world.start(rounds=5, stop_when=goal)
    world.play()
    run = world.run()
    assert len(run.closed) == rounds
    assert run.end_reason == ("reached" if rounds < 5 else "rounds")
    assert planned(world) == rounds  # nobody trained for a version that was not wanted
    assert run.best_version == run.closed[rounds - 1].version


def test_where_sites_score_a_goal_is_seen_a_round_later():
    world = MemoryWorld("a", "b", scored_here=False, held_out=5)
    # Sites find 0.5 in round 1 and 0.51 in round 2: that of the version of round 1.
    world.start(rounds=9, stop_when="accuracy>=0.51")
    world.play()
    assert world.run().end_reason == "reached"
    assert planned(world) == len(world.run().closed) == 2


def test_a_run_that_learns_no_more_ends_after_its_patience():
    world = MemoryWorld("a", "b")
    values = [0.5, 0.8, 0.7, 0.8, 0.79, 0.9]
    world.learning.scores = {n: {"accuracy": v} for n, v in enumerate(values, start=1)}
    world.start(rounds=6, patience_rounds=3)
    world.play()
    run = world.run()
    assert run.end_reason == "no_progress"
    assert planned(world) == len(run.closed) == 5
    assert run.best_version == run.closed[1].version


def test_a_version_of_unknown_worth_uses_up_no_patience():
    world = MemoryWorld("a", "b")
    world.learning.scores = {n: {"accuracy": 0.5 if n == 1 else None} for n in range(1, 6)}
    world.start(rounds=5, patience_rounds=1)
    world.play()
    assert world.run().end_reason == "rounds"


def test_versions_of_unknown_worth_between_others_use_up_no_patience_either():
    world = MemoryWorld("a", "b")
    values = [0.5, None, None, 0.4, 0.6]
    world.learning.scores = {n: {"accuracy": v} for n, v in enumerate(values, start=1)}
    world.start(rounds=5, patience_rounds=3)
    world.play()
    run = world.run()
    assert run.end_reason == "rounds"
    assert run.best_version == run.closed[4].version


def test_a_score_that_a_site_lacks_uses_up_no_patience():
    world = MemoryWorld("a", "b", scored_here=False, held_out=5)
    world.work.reports = {"a": {"accuracy": 0.5}, "b": {"accuracy": None}}
    world.start(rounds=5, patience_rounds=1)
    world.play()
    assert world.run().end_reason == "rounds"


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ({"stop_when": "accuracy>=0.91"}, "it reached its goal, accuracy>=0.91."),
        ({"patience_rounds": 2}, "no version became better in time (--patience-rounds 2)."),
    ],
)
def test_the_goal_or_the_patience_stands_in_the_sentence_of_the_end(goal, words):
    world, flat = MemoryWorld("a", "b"), dict.fromkeys(range(1, 6), RISING[1])
    world.learning.scores = RISING if "stop_when" in goal else flat
    world.start(rounds=5, **goal)
    world.play()
    now = world.clock.wall()
    found = explain_run(world.history.state, world.run(), now=now, wall_now=now)
    assert found.sentence.endswith(f" has ended: {words}")


def test_how_near_the_end_is_stands_in_the_figures_of_a_run_under_way():
    world = MemoryWorld("a", "b")
    world.learning.scores = {n: {"accuracy": 0.5} for n in range(1, 6)}
    world.start(rounds=5, stop_when="accuracy>=0.9", patience_rounds=4)
    said = []
    while world.run().ended_at is None:
        said.append(summary(world.run())["ends_early"])
        world.play(timedelta(minutes=1))
    assert said[0].startswith("at accuracy>=0.9, or after 4 rounds without a better version (0 ")
    assert "(3 so far)" in said[-1]
    assert summary(world.run())["ends_early"] is None


def test_a_goal_of_a_metric_that_nobody_reports_is_refused_at_once():
    world = MemoryWorld("a", "b")
    world.learning.first = {"loss": 0.7, "accuracy": 0.1}
    world.start(stop_when="acuracy>=0.9")
    world.play()
    blocked = world.run().blocked
    assert blocked is not None
    assert "reports no metric 'acuracy', so no version could reach the goal" in blocked.text
    assert "Did you mean --stop-when accuracy?" in blocked.text


FIRST = {"accuracy": 0.1, "loss": 2.3, "gain": None}


def spec_with(goal: str, **options: object) -> RunSpec:
    return RunSpec.model_validate(
        {"id": "r", "workload": "digits", "rounds": 1, "stop_when": goal, **options}
    )


@pytest.mark.parametrize(
    ("goal", "options", "says"),
    [
        ("accuracy<=0.9", {}, "Did you mean --stop-when 'accuracy>=0.9'?"),
        ("loss>=0.5", {}, "Did you mean --stop-when 'loss<=0.5'?"),
        ("loss>0.5", {"metric": "loss"}, "--metric loss --maximize"),
        (
            "accuracy>0.9",
            {"metric": "-accuracy"},
            "but a lower one is better",
        ),
        ("accuracy>=0.1", {}, "reaches the goal accuracy>=0.1 already, with accuracy of 0.1"),
        ("loss<3", {}, "would end with its first round"),
    ],
)
def test_a_goal_in_the_wrong_direction_or_reached_untrained_is_refused(goal, options, says):
    with pytest.raises(WorkloadError) as refused:
        check_goal(spec_with(goal, **options), FIRST, stated_lower=False)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("goal", "options"),
    [
        ("accuracy>=0.9", {}),
        ("loss<=0.5", {}),
        ("accuracy<=0.05", {"metric": "-accuracy"}),
        ("loss>=3", {"metric": "loss", "minimize": False}),
        ("gain<=3", {}),  # nothing is known of it
    ],
)
def test_a_goal_that_points_to_what_is_better_is_accepted(goal, options):
    check_goal(spec_with(goal, **options), FIRST, stated_lower=False)


def test_a_workload_says_of_which_of_its_metrics_less_is_better():
    check_goal(spec_with("gain<=3"), FIRST, stated_lower=True)
    with pytest.raises(WorkloadError, match="but a lower one is better"):
        check_goal(spec_with("gain>=3"), FIRST, stated_lower=True)
