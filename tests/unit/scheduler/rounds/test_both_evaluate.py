"""Where coordinator and sites evaluate, its figures decide, and theirs stand beside them."""

import pytest

from scheduler.ledger.events import RoundEvaluated, RoundPlanned
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def evaluated_by_both(**asked) -> MemoryWorld:
    """Return a run whose coordinator finds .1 and .2, and whose sites .5 and more."""
    world = MemoryWorld("a", "b", held_out=64)
    world.start(evaluate="both", **asked)
    return world


def evaluations(world: MemoryWorld) -> dict[tuple[str, int], float | None]:
    return {
        (event.payload.by, event.round): event.payload.metrics.get("accuracy")
        for event in world.history.events
        if isinstance(event.payload, RoundEvaluated)
    }


def test_each_version_has_the_figures_of_both_the_last_one_too():
    world = evaluated_by_both(rounds=2)
    world.play()
    # Sites find .50, .51 and .52 of versions 0, 1 and 2, which they pull in rounds 1, 2 and 3.
    assert evaluations(world) == pytest.approx(
        {
            ("coordinator", 1): 0.1,
            ("coordinator", 2): 0.2,
            ("sites", 1): 0.51,
            ("sites", 2): 0.52,
        }
    )
    assert world.run().end_reason == "rounds"
    sites = [closed.at_sites for closed in world.run().closed]
    # Each client is enrolled with 10 examples: so many of its 64 held-out ones count.
    assert [(each.sites, each.examples) for each in sites if each] == [(2, 20)] * 2
    *_, last = [e.payload for e in world.history.events if isinstance(e.payload, RoundPlanned)]
    assert last.evaluates


def test_the_figures_of_the_coordinator_decide():
    world = evaluated_by_both(rounds=4, stop_when="accuracy>=0.3")
    world.play()
    run = world.run()
    assert (run.end_reason, len(run.closed)) == ("reached", 3)
    assert (run.best_value, run.last_value) == (0.3, 0.3)


def test_sites_without_held_out_data_leave_their_figures_unknown():
    world = MemoryWorld("a", "b")
    world.work.changes = {name: {"metrics": {}, "num_held_out": 0} for name in "ab"}
    world.start(evaluate="both", rounds=2)
    world.play()
    assert evaluations(world) == {
        ("coordinator", 1): 0.1,
        ("coordinator", 2): 0.2,
        ("sites", 1): None,
    }
    assert world.run().end_reason == "rounds"
    assert not [e for e in world.history.events if e.kind == "assignment.evaluated"]


def test_a_run_that_is_stopped_has_the_coordinators_score_of_its_last_version():
    world = evaluated_by_both(rounds=1)
    world.engine.advance()
    while not world.run().closed:
        world.play_one()
    world.stop()
    world.engine.advance()
    assert world.run().end_reason == "stopped"
    assert evaluations(world) == {("coordinator", 1): 0.1}


def test_what_no_site_answers_on_is_unknown_and_holds_nothing_up():
    world = evaluated_by_both(rounds=1)
    world.engine.advance()
    world.work.lose = {"a", "b"}
    while not world.run().closed:
        world.play_one()
    world.play()
    assert world.run().end_reason == "rounds"
    assert evaluations(world) == {("coordinator", 1): 0.1, ("sites", 1): None}
