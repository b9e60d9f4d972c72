"""A site that is revoked while it works is not waited for."""

from __future__ import annotations

from scheduler.ledger.events import AssignmentGivenUp, ClientRevoked
from tests.unit.scheduler.rounds.memory_world import MemoryWorld


def test_what_a_revoked_site_works_on_is_given_up_and_the_round_goes_on() -> None:
    world = MemoryWorld("a", "b", "c")
    world.start(rounds=1, quorum=2)
    world.engine.advance()
    assert {part.client for part in world.open_round().open_assignments()} == {"a", "b", "c"}
    world.happen(ClientRevoked(), client="c")
    world.engine.advance()
    given_up = [
        (event.client, event.payload.code)
        for event in world.history.events
        if isinstance(event.payload, AssignmentGivenUp)
    ]
    assert given_up == [("c", "revoked")]
    world.play()
    assert world.run().closed[0].cohort == ("a", "b")
