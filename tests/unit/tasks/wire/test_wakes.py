"""A flood of tasks that only wake is one now, and one later."""

from __future__ import annotations

from tasks.wire.wakes import Wakes


def test_a_flood_is_one_now_and_one_later():
    now = [0.0]
    wakes = Wakes({"tick": 1.0}, lambda: now[0])
    assert [wakes.passes("tick") for _ in range(1000)] == [True] + [False] * 999
    assert wakes.take_owed() == []
    now[0] = 1.0
    assert wakes.take_owed() == ["tick"]
    assert wakes.take_owed() == []
    assert wakes.passes("tick")


def test_messages_that_say_something_always_pass():
    wakes = Wakes({"tick": 1.0})
    assert all(wakes.passes("accept") for _ in range(10))
