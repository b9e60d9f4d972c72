"""Which run is meant where none is named."""

from __future__ import annotations

import pytest

from common.errors import FederationError
from scheduler.ledger.events import RunBlocked, RunEnded, RunStarted
from scheduler.status.exports import exported_model
from scheduler.status.which_run import active_run, find_run, newest_run
from tests.unit.scheduler.story import Story, sha, spec


def started(*runs: str) -> Story:
    story = Story("a", "b")
    for run in runs:
        story.start(spec(id=run))
    return story


def end(story: Story, run: str) -> None:
    story.tell(RunEnded(reason="stopped"), run=run)


def shown(story: Story) -> str | None:
    run = newest_run(story.state)
    return run.id if run else None


def test_without_a_run_none_is_shown():
    assert shown(Story("a")) is None


def test_the_newest_run_that_goes_on_is_shown():
    story = started("first", "second", "third")
    end(story, "third")
    assert shown(story) == "second"


def test_of_runs_that_are_over_the_newest_that_closed_a_round_is_shown():
    story = started("r", "stopped_at_once")
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.close()
    end(story, "r")
    end(story, "stopped_at_once")
    assert shown(story) == "r"


def test_of_runs_that_did_nothing_the_newest_is_shown():
    story = started("first", "second")
    end(story, "first")
    end(story, "second")
    assert shown(story) == "second"


def test_a_run_that_never_began_is_not_shown_before_one_that_goes_on():
    story = started("goes_on")
    story.tell(RunStarted(spec=spec(id="typo")), run="typo")
    story.tell(RunBlocked(step="open", text="No."), run="typo")
    assert shown(story) == "goes_on"


def test_a_command_that_changes_a_run_takes_the_only_active_one():
    story = started("over", "active")
    end(story, "over")
    assert active_run(story.state, "stopped").id == "active"


def test_a_command_that_changes_a_run_does_not_guess_among_several():
    with pytest.raises(FederationError) as caught:
        active_run(started("a", "b").state, "stopped")
    assert str(caught.value) == ("2 runs are active, so none was stopped. Name one of them: a, b.")
    with pytest.raises(FederationError, match=r"^No run is active, so none was paused\."):
        active_run(Story("a").state, "paused")


@pytest.mark.parametrize(
    ("runs", "asked", "hint"),
    [
        (["digits-1", "heart-1"], "digit-1", "Did you mean digits-1?"),
        (["x", "y"], "digits-1", "There are: x, y."),
        ([f"{n}{n}{n}" for n in range(9)], "q", "The newest 5 of 9 are: 444, 555, 666, 777, 888."),
        ([], "q", "There is none yet. Start one: fairwind run start digits --rounds 12"),
    ],
)
def test_a_run_that_does_not_exist_is_named_with_those_that_do(runs, asked, hint):
    with pytest.raises(FederationError) as caught:
        find_run(started(*runs).state, asked)
    assert str(caught.value) == f"There is no run '{asked}', so nothing was done. {hint}"


def test_the_file_of_a_model_is_named_only_if_it_is_there(tmp_path):
    story = started("r")
    run = story.state.runs["r"]
    file = tmp_path / "runs" / "r" / "best.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    assert exported_model(tmp_path, run) is None
    story.tell(RunEnded(reason="rounds", last_version=sha("v0")), run="r")
    assert exported_model(tmp_path, run) == str(file)
    file.unlink()
    assert exported_model(tmp_path, run) is None
