"""A policy reads only the past rounds that it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from scheduler.policies.past_rounds import (
    PastRound,
    PastRounds,
    PastUpdate,
    has_utility,
    newest,
    num_updates,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UPDATE = PastUpdate(utility=None, duration_s=1.0, gco2eq=None)
CLIENTS = [("a", "b"), ("a",), ("b", "c"), ("a", "c")]


def past_round(place: int) -> PastRound:
    updates = dict.fromkeys(CLIENTS[place], UPDATE)
    return PastRound(place + 1, NOON + timedelta(hours=place), updates)


def past_rounds(looked_at: list[int]) -> PastRounds:
    def made(place: int) -> PastRound:
        looked_at.append(place)
        return past_round(place)

    return PastRounds(range(4), made, num_updates={"a": 3, "b": 2, "c": 2})


def test_they_are_the_same_rounds_as_a_list_of_them() -> None:
    lazy: Sequence[PastRound] = past_rounds([])
    whole = [past_round(place) for place in range(4)]
    assert list(lazy) == whole
    assert (len(lazy), lazy[0], lazy[-1], lazy[-2:]) == (4, whole[0], whole[3], whole[2:])
    assert num_updates(lazy) == num_updates(whole) == {"a": 3, "b": 2, "c": 2}


def test_only_what_is_looked_at_is_read() -> None:
    looked_at: list[int] = []
    lazy = past_rounds(looked_at)
    assert lazy
    num_updates(lazy)
    assert looked_at == []
    assert [each.number for each in lazy[-2:]] == [3, 4]
    assert looked_at == [2, 3]


def test_newest_updates_are_found_from_the_end_and_no_round_before_them_is_read() -> None:
    looked_at: list[int] = []
    found = newest(past_rounds(looked_at), ["c", "a", "nobody"])
    assert {client: done.number for client, (done, _) in found.items()} == {"a": 4, "c": 4}
    assert looked_at == [3]
    assert newest(past_rounds(looked_at), ["b"])["b"][0].number == 3
    assert looked_at == [3, 3, 2]


def test_an_update_that_does_not_count_is_passed_over() -> None:
    useful = PastUpdate(utility=2.0, duration_s=1.0, gco2eq=None)
    past = [
        PastRound(1, NOON, {"a": useful, "b": UPDATE}),
        PastRound(2, NOON + timedelta(hours=1), {"a": UPDATE, "b": UPDATE}),
    ]
    found = newest(past, ["a", "b"], counts=has_utility)
    assert found == {"a": (past[0], useful)}
