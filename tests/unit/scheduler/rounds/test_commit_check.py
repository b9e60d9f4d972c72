"""Manifests follow from the ledger: a divisor or a weight of another origin is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scheduler.ledger.event import Event
from scheduler.ledger.events import RoundCommitted
from scheduler.rounds.commit_check import check_commits
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def played(**asked: Any) -> list[Event]:
    world = MemoryWorld("a", "b", "c")
    usual: dict[str, Any] = {"policy": "random", "cohort": 2, "rounds": 6}
    world.start(**usual | asked)
    world.play()
    assert len(world.run().closed) == 6
    return list(world.history.events)


def altered(events: Sequence[Event], number: int, **changes: Any) -> list[Event]:
    """Return the events with another manifest of one round."""
    return [
        replace(event, payload=event.payload.model_copy(update=changes))
        if isinstance(event.payload, RoundCommitted) and event.round == number
        else event
        for event in events
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"bias": "realised"},
        {"bias": "realised", "algorithm": "fednova"},
        {"policy": "fairwind", "bias": "running"},
        {"mode": "async", "buffer": 2, "cohort": None, "bias": "memory"},
        {"late": "count", "quorum": 1},
    ],
)
def test_every_manifest_of_an_honest_ledger_is_recomputed(asked: dict[str, Any]):
    assert [each.fault for each in check_commits(played(**asked))] == [""] * 6


def test_a_divisor_that_does_not_follow_from_earlier_rounds_is_found():
    events = played(bias="realised")
    written = next(
        e.payload for e in events if isinstance(e.payload, RoundCommitted) and e.round == 4
    )
    assert written.divisor is not None
    found = list(check_commits(altered(events, 4, divisor=2 * written.divisor)))
    assert [bool(each.fault) for each in found] == [False] * 3 + [True] + [False] * 2
    assert found[3].fault == (
        f"its divisor is {2 * written.divisor:,}; its updates and earlier rounds give "
        f"{written.divisor:,}"
    )


def test_a_weight_that_the_plan_did_not_give_is_found():
    events = played()
    first = next(e.payload for e in events if isinstance(e.payload, RoundCommitted))
    heavier = (replace(first.manifest[0], weight=99), *first.manifest[1:])
    found = list(check_commits(altered(events, 1, manifest=heavier)))
    assert found[0].fault == "its manifest is not what its updates and earlier rounds give"
