"""A round waits for whom it can hope for, and for nobody else."""

from datetime import timedelta
from typing import Any

import pytest

from common.messages import Heartbeat
from scheduler.federation.round import AssignmentState, lost
from scheduler.ledger.events import AssignmentReissued, ClientSilent
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, Story, spec


def complete(story: Story, **now: Any) -> bool:
    run = story.state.runs["r"]
    assert run.open_round is not None
    return run.open_round.complete(run.spec.quorum, now.get("now", story.now), story.state.clients)


def under_way(*cohort: str, target: int | None = None, **asked: Any) -> Story:
    story = Story("a", "b", "c", "d")
    story.start(spec(**asked))
    story.plan(*cohort, target=target)
    return story


def test_a_round_is_complete_when_everybody_has_answered():
    story = under_way("a", "b", "c")
    for client in "ab":
        story.answer(client)
        assert not complete(story)
    story.answer("c")
    assert complete(story)


def test_a_silent_client_does_not_block_a_round_with_quorum():
    story = under_way("a", "b", "c")
    story.answer("a")
    story.tell(ClientSilent(), client="c")
    assert not complete(story)  # a quorum of two is not met
    story.answer("b")
    assert complete(story)


def test_a_client_that_lives_is_waited_for_until_the_deadline():
    story = under_way("a", "b", "c", deadline_s=60.0)
    story.answer("a")
    story.answer("b")
    assert not complete(story, now=story.now + timedelta(seconds=59.9))
    assert complete(story, now=story.now + timedelta(seconds=60))


def test_a_deadline_does_not_replace_a_quorum():
    story = under_way("a", "b", "c", deadline_s=60.0)
    story.answer("a")
    assert not complete(story, now=story.now + HOUR)


def test_with_over_selection_the_target_is_enough_and_the_slowest_is_left_behind():
    story = under_way("a", "b", "c", target=2)
    story.answer("c")
    assert not complete(story)
    story.answer("a")
    assert complete(story)


@pytest.mark.parametrize("outcome", ["declined", "failed"])
def test_who_declined_or_failed_is_not_waited_for(outcome):
    story = under_way("a", "b", "c")
    story.answer("a")
    story.answer("b")
    story.answer("c", outcome=outcome)
    assert complete(story)


def test_hope_is_for_open_assignments_of_those_alive():
    story = under_way("a", "b")
    open_round = story.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.hopeful({"a"})
    assert not open_round.hopeful({"c"})
    story.answer("a")
    assert not open_round.hopeful({"a"})
    assert open_round.hopeful({"a", "b"})


def test_inviting_more_extends_the_deadline_and_counts_attempts():
    story = under_way("a", "b", deadline_s=60.0)
    story.answer("a", outcome="declined")
    story.later(10 * MINUTE)
    open_round = story.plan("a", "c")
    assert open_round.deadline == story.now + MINUTE
    assert open_round.valid_until == story.now + HOUR
    assert open_round.planned_at == story.now - 10 * MINUTE
    attempts = {name: part.attempt for name, part in open_round.cohort.items()}
    assert attempts == {"a": 1, "b": 0, "c": 0}
    assert open_round.cohort["a"].status == "open"


def test_issuing_again_opens_an_assignment_for_the_worker_of_now():
    story = under_way("a", "b")
    open_round = story.state.runs["r"].open_round
    assert open_round is not None
    story.join("a", "i2")
    story.later(MINUTE)
    story.tell(AssignmentReissued(attempt=1, code="lost"), run="r", number=1, client="a")
    part = open_round.cohort["a"]
    assert (part.attempt, part.issued_at, part.incarnation) == (1, story.now, "i2")


@pytest.mark.parametrize("clock_ahead", [timedelta(0), timedelta(hours=-2), timedelta(hours=2)])
@pytest.mark.parametrize(
    ("busy", "after_s", "is_lost"),
    [
        (None, 3, True),
        ("other/1", 3, True),
        ("r/1", 3, False),
        (None, 2, False),  # it may not have looked at its queue yet
        (None, -60, False),
    ],
)
def test_an_assignment_is_lost_if_a_heartbeat_arrives_well_later_with_something_else(
    clock_ahead, busy, after_s, is_lost
):
    part = AssignmentState("a", 0, NOON, "i1", "FR", NOON, NOON + HOUR, 1, "base")
    at = NOON + timedelta(seconds=after_s)
    beat = Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=at + clock_ahead, busy=busy)
    now = max(NOON, at) + timedelta(seconds=5)
    assert lost(part, beat, "r/1", age=now - at, now=now) is is_lost


def test_a_lost_assignment_is_found_also_if_the_coordinators_clock_was_set_back():
    part = AssignmentState("a", 0, NOON, "i1", "FR", NOON, NOON + HOUR, 1, "base")
    beat = Heartbeat(client="a", incarnation="i1", host="h", pid=1, at=NOON)
    before = NOON - 2 * HOUR
    assert lost(part, beat, "r/1", age=timedelta(seconds=1), now=before)
    busy = beat.model_copy(update={"busy": "r/1"})
    assert not lost(part, busy, "r/1", age=timedelta(seconds=1), now=before)
