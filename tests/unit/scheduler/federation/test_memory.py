"""What a site remembers moves on with the updates that count, and with nothing else."""

from typing import Any

import pytest

from common.messages import MemoryRef
from scheduler.federation.run import Run
from scheduler.ledger.events import (
    AssignmentReissued,
    RunEnded,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateLost,
    UpdateRefused,
)
from scheduler.status.memory import lost_memory
from tests.unit.scheduler.story import Story, given_up, sha, spec


@pytest.fixture
def story() -> Story:
    """The second round of a run: client a remembers what its first update left."""
    made = Story("a", "b")
    made.start(spec(encoding="topk:0.01", quorum=1))
    made.plan("a", "b")
    made.answer("a", "update 1", memory=sha("left 1"))
    made.close()
    made.plan("a", "b")
    return made


def run(story: Story) -> Run:
    return story.state.runs["r"]


def quoted(story: Story, client: str = "a") -> MemoryRef | None:
    """Return the state that an assignment names."""
    now = run(story).open_round
    assert now is not None
    return now.cohort[client].memory


FIRST = MemoryRef(sha256=sha("left 1"), round=1)
SECOND = MemoryRef(sha256=sha("left 2"), round=2)


def test_an_assignment_names_what_the_last_update_that_counted_left(story: Story) -> None:
    assert (quoted(story, "a"), quoted(story, "b")) == (FIRST, None)
    story.answer("a", "update 2", memory=sha("left 2"))
    assert run(story).memory == {"a": SECOND}
    story.close()
    story.plan("a", "b")
    assert (quoted(story, "a"), quoted(story, "b")) == (SECOND, None)


def test_an_assignment_that_is_issued_again_names_the_same_state(story: Story) -> None:
    again = AssignmentReissued(attempt=1, code="lost")
    story.tell(again, run="r", number=2, client="a")
    assert quoted(story) == FIRST


@pytest.mark.parametrize("kind", [UpdateLate, UpdateDuplicate, UpdateConflicting, UpdateRefused])
def test_an_update_that_does_not_count_changes_nothing(story: Story, kind: Any) -> None:
    story.book(kind, story.receipt("a", "update 2", memory=sha("left 2")))
    assert run(story).memory == {"a": FIRST}


def test_who_is_left_behind_starts_again_from_the_same_state(story: Story) -> None:
    story.tell(given_up("deadline"), run="r", number=2, client="a")
    story.answer("b", "update of b")
    story.close()
    story.plan("a")
    assert story.answer("a", "update 2", memory=sha("left 2"), round=2) == "late"
    assert quoted(story) == FIRST


def test_an_update_whose_bytes_are_lost_here_is_made_again_from_the_same_state(
    story: Story,
) -> None:
    story.answer("a", "update 2", memory=sha("left 2"))
    lost = UpdateLost(sha256=sha("update 2"), fault="missing")
    story.tell(lost, run="r", number=2, client="a")
    assert quoted(story) == FIRST
    assert run(story).memory == {"a": FIRST}
    admitted = story.receipt("a", "update 2", memory=sha("left 2"), attempt=1)
    story.book(UpdateAccepted, admitted)
    assert run(story).memory == {"a": SECOND}


def test_a_state_that_a_site_lost_is_noted_and_a_run_that_is_over_names_none(
    story: Story,
) -> None:
    assert lost_memory(run(story)) == []
    story.answer("a", "update 2", memory=sha("left 2"), memory_lost=True)
    (sentence,) = lost_memory(run(story))
    assert "a before its update of round 2" in sentence
    story.tell(RunEnded(reason="stopped"), run="r")
    assert run(story).memory == {}
