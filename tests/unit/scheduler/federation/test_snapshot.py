"""A federation from a snapshot goes on like the one that was folded from the first event."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.accounting import book, measured
from scheduler.federation import closed_rounds, snapshot, zone_readings
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.snapshot import code, dump, load
from scheduler.ledger.archive import Archive
from scheduler.ledger.event import Event
from scheduler.ledger.events import Evaluation, RunEnded
from tests.unit.scheduler.story import MINUTE, Story, history, spec, steps

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def little_at_hand():
    """Let the archive be used after a handful of events."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (book, closed_rounds, measured, zone_readings):
            patch.setattr(module, "AT_HAND", 2)
        patch.setattr(closed_rounds, "LOOKED_AT", 1)
        yield


def folded(events: list[Event]) -> Federation:
    state = Federation()
    for event in events:
        apply(state, event)
    return state


def through_files(state: Federation, folder: Path) -> Federation:
    """Return what another process reads of a state."""
    text = dump(state)
    state.archive.write(folder)
    return load(text, Archive(folder))


@settings(max_examples=150, deadline=None)
@given(steps=steps, data=st.data())
def test_a_snapshot_and_the_later_events_give_the_state(tmp_path_factory, steps, data):
    events = history(steps).events
    cut = data.draw(st.integers(0, len(events)))
    state = through_files(folded(events[:cut]), tmp_path_factory.mktemp("parts"))
    for event in events[cut:]:
        apply(state, event)
    whole = folded(events)
    assert dump(state) == dump(whole)
    assert state == whole
    assert list(state.book) == list(whole.book)
    assert {name: list(run.closed) for name, run in state.runs.items()} == {
        name: list(run.closed) for name, run in whole.runs.items()
    }


def long_story(rounds: int = 12) -> Story:
    """Return a run of three clients over as many hours as rounds, settled hour by hour."""
    story = Story("a", "b", "c")
    story.start(spec(rounds=99))
    for number in range(rounds):
        story.read("FR", 100.0 + number)
        story.plan("a", "b", "c")
        story.later(10 * MINUTE)
        for client in "abc":
            story.answer(client, f"{client}{number}", utility=float(number))
        story.close()
        story.later(50 * MINUTE)
        story.settle("FR", (story.now - HOUR, 40.0 + number))
    return story


def test_what_is_old_is_in_the_archive(tmp_path):
    story = long_story()
    state = through_files(story.state, tmp_path)
    run = state.runs["r"]
    assert len(run.closed.recent) <= 4
    assert len(run.closed.pages) > 1
    assert len(state.book.recent) <= 4
    assert len(state.book.pages.pages) > 1
    assert len(state.grid["FR"].recent) < 4
    assert [closed.number for closed in run.closed] == list(range(1, 13))
    assert [run.closed.find(number) for number in range(1, 13)] == list(run.closed)
    assert [c.number for c in run.closed[3:6]] == [4, 5, 6]
    assert run.closed[-1].number == 12
    with pytest.raises(IndexError):
        run.closed[12]
    assert len(list(state.book)) == 36
    assert [b.round for b in state.book.of_round("r", 2)] == [2, 2, 2]
    assert len(state.grid["FR"].readings()) == 12
    assert all(name in set(state.archived()) for name in (p.name for p in run.closed.pages))


def test_an_old_round_is_settled_in_the_archive_too(tmp_path):
    story = long_story()
    whole, state = story.state, through_files(story.state, tmp_path)
    story.settle("FR", (story.now - 12 * HOUR, 77.0))
    apply(state, story.events[-1])
    for each in (whole, state):
        settled = [b.settled for b in each.book if b.round == 1]
        assert [mean and mean.gco2eq_per_kwh for mean in settled] == [77.0, 77.0, 77.0]
    assert dump(state) == dump(whole)


def test_a_receipt_of_an_old_round_is_booked_once_and_beside_the_others(tmp_path):
    story = long_story()
    state = through_files(story.state, tmp_path)
    late = {"round": 2, "started_at": story.now - 3 * MINUTE}
    assert story.answer("a", "another", **late) == "conflicting"
    assert story.answer("a", "another", **late) == "conflicting"
    for event in story.events[-2:]:
        apply(state, event)
    for each in (story.state, state):
        outcomes = [b.outcome for b in each.book.of_round("r", 2)]
        assert outcomes == ["counted", "counted", "counted", "conflicting"]
        assert len(list(each.book)) == 37
    assert dump(state) == dump(story.state)


def test_recent_work_is_found_without_reading_old_pages(tmp_path):
    story = long_story()
    state = through_files(story.state, tmp_path)
    for hours in (0, 1, 5, 12, 13):
        since = story.now - hours * HOUR
        late = [b for b in state.book if b.ended_at is not None and b.ended_at > since]
        assert list(state.book.ended_after(since)) == late
    oldest = state.book.pages.pages[0].name
    for path in tmp_path.rglob(oldest):
        path.unlink()
    state.archive._read.clear()
    assert len(list(state.book.ended_after(story.now - 5 * HOUR))) == 15


def test_the_score_of_an_old_round_is_kept(tmp_path):
    story = long_story()
    state = through_files(story.state, tmp_path)
    closed = state.runs["r"].closed.evaluate(2, Evaluation(metrics={"accuracy": 0.5}))
    assert closed is not None
    assert closed.metrics == {"accuracy": 0.5}
    assert [c.metrics for c in state.runs["r"].closed[:3]] == [None, {"accuracy": 0.5}, None]
    assert state.runs["r"].closed.evaluate(99, Evaluation(metrics={})) is None


def test_of_an_ended_run_two_rounds_stay_at_hand():
    story = long_story()
    story.tell(RunEnded(reason="stopped"), run="r")
    assert len(story.state.runs["r"].closed.recent) == 2
    assert len(story.state.runs["r"].closed) == 12


def test_the_code_of_a_snapshot_changes_with_any_code_that_folds(tmp_path, monkeypatch):
    known = code()
    assert code.__wrapped__() == known
    sources = dict(snapshot._sources())
    assert {"scheduler/federation/fold/rounds.py", "scheduler/accounting/book.py"} <= sources.keys()
    changed = tmp_path / "fold.py"
    changed.write_text(sources["scheduler/federation/fold/rounds.py"].read_text() + "\n")
    sources["scheduler/federation/fold/rounds.py"] = changed
    monkeypatch.setattr(snapshot, "_sources", lambda: iter(sources.items()))
    assert code.__wrapped__() != known


def test_every_module_of_the_state_is_among_the_code_that_folds():
    state = long_story().state
    seen: set[str] = set()
    stack: list[object] = [state, *state.runs.values(), *state.clients.values(), *state.book]
    while stack:
        thing = stack.pop()
        module = type(thing).__module__
        if module.startswith(("scheduler.", "common.")) and module not in seen:
            seen.add(module)
        if module.startswith("scheduler."):
            names = getattr(type(thing), "__dataclass_fields__", {})
            stack += [getattr(thing, name) for name in names]
        elif isinstance(thing, dict):
            stack += thing.values()
        elif isinstance(thing, list | tuple):
            stack += thing
    files = {Path(sys.modules[module].__file__ or "").resolve() for module in seen}
    assert files <= {path.resolve() for _, path in snapshot._sources()}
