"""Bytes that are lost: an update is asked for again, and the round goes on with or without it."""

from datetime import timedelta

import pytest

from common.errors import BlobError
from common.messages import Reason
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientSilent, UpdateLost
from scheduler.status.altered import altered_models
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.story import MINUTE

GONE = BlobError("The blob ab is missing.")


def outcomes(world: MemoryWorld) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for booking in world.history.state.book:
        found.setdefault(booking.client, []).append(booking.outcome)
    return found


def test_a_lost_update_is_asked_for_again_and_the_round_closes_with_it():
    world = MemoryWorld("a", "b", "c")
    world.start(rounds=1)
    world.learning.lost["b"] = "missing"
    world.play(10 * MINUTE)
    assert world.kinds() == [
        "run.started", "run.opened", "round.planned", *["update.accepted"] * 3, "round.committed",
        "update.lost", "update.restored", "round.committed", "round.closed", "round.evaluated",
        "run.ended",
    ]  # fmt: skip
    assert world.work.sent[3:] == [("r", 1, "b", 1)]
    (closed,) = world.run().closed
    assert [line.client for line in closed.manifest] == ["a", "b", "c"]
    lost = [e for e in world.history.events if isinstance(e.payload, UpdateLost)]
    assert [(e.client, e.round) for e in lost] == [("b", 1)]
    assert world.history.state.clients["b"].updates == 1


def test_where_the_site_has_gone_the_round_closes_without_it():
    world = MemoryWorld("a", "b", "c")
    world.start(rounds=1, quorum=2)
    world.learning.lost["b"] = "altered"
    world.engine.advance()
    world.work.lose.add("b")  # what is sent to it from now on never arrives
    while world.work.next_arrival is not None:
        world.clock.now = world.work.next_arrival
        world.engine.receive(world.work.arrive())
    world.engine.advance()
    assert world.kinds()[-1] == "update.lost"
    assert outcomes(world)["b"] == ["cut_off"]
    world.happen(ClientSilent(), client="b")
    world.engine.advance()
    (closed,) = world.run().closed
    assert [line.client for line in closed.manifest] == ["a", "c"]
    assert outcomes(world)["a"] == ["counted"]
    assert "counted" not in outcomes(world)["b"]


def test_a_site_has_time_to_answer_though_the_deadline_has_passed():
    world = MemoryWorld("a", "b")
    world.start(rounds=1, deadline_s=120.0)
    world.engine.advance()
    while world.work.next_arrival is not None:
        world.clock.now = world.work.next_arrival
        world.engine.receive(world.work.arrive())
    world.clock.now += HOUR
    world.learning.lost["a"] = "missing"
    world.engine.advance()
    assert world.open_round().deadline == world.clock.wall() + timedelta(seconds=120)
    world.play(5 * MINUTE)
    (closed,) = world.run().closed
    assert len(closed.manifest) == 2


def test_another_process_that_sums_a_withdrawn_manifest_does_not_publish_it():
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.engine.advance()
    while world.work.next_arrival is not None:
        world.clock.now = world.work.next_arrival
        world.engine.receive(world.work.arrive())
    lost = Draft(UpdateLost(sha256="a" * 64, fault="missing"), run="r", round=1, client="a")
    world.learning.meanwhile = lambda: world.history.write(lost)
    world.engine.advance()
    assert len(world.run().closed) == 0
    assert world.open_round().manifest is None


def test_a_lost_version_blocks_its_run_alone_until_it_is_put_back():
    world = MemoryWorld("a", "b", "c", "d")
    world.work.unreadable["r"] = GONE
    world.start("r", rounds=1, quorum=2)
    world.start("s", rounds=1)
    world.play(10 * MINUTE)
    blocked = world.run("r").blocked
    assert blocked is not None
    assert (blocked.step, blocked.text) == ("send", str(GONE))
    assert {part.attempt for part in world.open_round("r").cohort.values()} == {0}
    del world.work.unreadable["r"]
    world.play(2 * HOUR)
    assert world.run("r").end_reason == world.run("s").end_reason == "rounds"


@pytest.mark.parametrize(
    ("reason", "looked"), [("model_altered", "check_in_flight"), ("model_missing", "open")]
)
def test_a_model_that_a_site_finds_altered_in_flight_is_put_there_anew(reason, looked):
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.engine.advance()
    receipt = world.work.arrive().model_copy(
        update={
            "outcome": "failed", "update": None, "reason": Reason(code=reason, text="Altered."),
        }
    )  # fmt: skip
    world.engine.receive(receipt)
    assert world.learning.calls[-1] == looked
    assert world.kinds()[-1] == "assignment.reissued"
    assert ("a" in world.run().altered) is (reason == "model_altered")


def test_models_altered_each_time_are_no_failure_of_the_site():
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.engine.advance()
    reason = Reason(code="model_altered", text="Altered.")
    receipt = world.work.arrive()
    client = world.history.state.clients[receipt.client]
    while (part := world.open_round().cohort[receipt.client]).status == "open":
        unlike = {"outcome": "failed", "update": None, "reason": reason, "attempt": part.attempt}
        world.engine.receive(receipt.model_copy(update=unlike))
    assert (part.status, client.unanswered) == ("undelivered", 0)
    problem = world.run().problems[receipt.client]
    assert problem.until - problem.at == timedelta(seconds=10)
    (sentence,) = altered_models(world.run())
    assert sentence.startswith(f"Somebody alters bytes in Redis: {receipt.client} found a model")


def test_a_clock_that_is_set_back_keeps_no_blocked_run_waiting():
    world = MemoryWorld("a", "b")
    world.clock.now += 72 * HOUR  # before noon no grid is known
    world.learning.broken["open"] = GONE
    world.start(rounds=1)
    world.play(10 * MINUTE)
    assert world.run().blocked is not None
    world.learning.broken.clear()
    world.clock.now -= 72 * HOUR
    world.engine.advance()
    assert world.run().blocked is None
