"""Asynchronous runs in a world in memory: every client in its own time, a full buffer a version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from common.messages import Receipt
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.events import (
    AssignmentGivenUp,
    ClientSilent,
    RoundCommitted,
    RoundPlanned,
    UpdateAccepted,
)
from scheduler.rounds.admission import staleness_weight
from scheduler.selection.stagger import starts_to_come
from scheduler.status.explain import explain_run
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.story import NOON

MINUTE = timedelta(minutes=1)


def world_of(
    *clients: str,
    intensities: Sequence[float] = (100.0,),
    stagger: timedelta = timedelta(0),
    **more: Any,
) -> MemoryWorld:
    """Return a world with an asynchronous run of a buffer of two, unless `more` says otherwise."""
    world = MemoryWorld(*clients, hours=intensities, stagger=stagger)
    fields: dict[str, Any] = {"mode": "async", "buffer": 2, "concurrency": 3, "rounds": 4}
    world.start(**fields | more)
    return world


def latencies(world: MemoryWorld, **seconds: float) -> None:
    for client, latency_s in seconds.items():
        world.history.state.clients[client].latency_s = latency_s


def payloads(world: MemoryWorld, kind: type) -> list[Any]:
    return [event.payload for event in world.history.events if isinstance(event.payload, kind)]


def test_a_version_is_made_of_each_full_buffer_and_nobody_waits_for_the_slow_one():
    world = world_of("fast", "quick", "slow", rounds=50)
    latencies(world, fast=60, quick=60, slow=3000)
    world.play(10 * MINUTE)
    run = world.run()
    assert [closed.cohort for closed in run.closed] == [("fast", "quick")] * 9


def test_an_update_of_an_older_version_counts_less_by_the_root_of_its_age():
    world = world_of("a", "b", "slow", rounds=5)
    latencies(world, a=60, b=60, slow=150)
    world.play()
    run = world.run()
    late = next(line for closed in run.closed for line in closed.manifest if line.client == "slow")
    number = next(c.number for c in run.closed if late in c.manifest)
    assert (late.issued, number) == (1, 3)
    # 10 examples of permille 1000: 65536 / sqrt(3) = 37837.2 each, rounded down.
    assert late.weight == 10 * 1000 * 37837
    committed = payloads(world, RoundCommitted)[2]
    assert committed.divisor == 2 * 10 * 1000 * 65536
    accepted = [p for p in payloads(world, UpdateAccepted) if p.admission.staleness == 2]
    assert len(accepted) == 1


def test_what_an_example_counts_falls_with_the_root_of_the_staleness_in_integers():
    # 65536, 65536 / sqrt(2) = 46340.95, / sqrt(3) = 37837.2, / 2 = 32768.
    assert [staleness_weight(s) for s in range(4)] == [65536, 46340, 37837, 32768]


def test_an_assignment_trains_from_the_version_it_was_issued_with():
    world = world_of("a", "b", "slow", rounds=5)
    latencies(world, a=60, b=60, slow=150)
    world.engine.advance()
    first = world.run().version
    world.play_one()
    world.play_one()
    assert world.open_round().number == 2
    part = world.open_round().cohort["slow"]
    assert (part.round, part.base_version, part.status) == (1, first, "open")
    assert world.open_round().base_version != first


def test_no_more_are_out_than_the_concurrency_and_at_the_end_no_more_than_needed():
    world = world_of("a", "b", "c", "d", "e", concurrency=3, rounds=3)
    out = []
    world.engine.advance()
    while world.run().ended_at is None:
        round_ = world.run().open_round
        if round_ is not None:
            out.append(len(round_.open_assignments()))
        world.play_one()
    assert max(out) == 3
    planned = [name for p in payloads(world, RoundPlanned) for name in p.cohort]
    assert len(planned) == 6  # two for each of three versions: nobody trains for nothing
    assert world.run().totals.uncounted_wh == 0


def test_a_client_counts_once_in_a_buffer():
    world = world_of("fast", "slow", rounds=2)
    latencies(world, fast=60, slow=600)
    world.play()
    assert [closed.cohort for closed in world.run().closed] == [("fast", "slow")] * 2


def test_an_assignment_that_is_too_old_is_given_up_and_its_answer_is_late():
    world = world_of("a", "b", "slow", max_staleness=1, rounds=6)
    latencies(world, a=60, b=60, slow=280)
    world.play()
    given_up = payloads(world, AssignmentGivenUp)
    assert [p.code for p in given_up] == ["stale"] * len(given_up)
    assert given_up
    assert "update.late" in world.kinds()
    # What it used is booked once, and not as unknown.
    bookings = [b for b in world.history.state.book if b.client == "slow"]
    assert {b.outcome for b in bookings} <= {"late", "counted"}


def test_the_same_bytes_again_are_a_duplicate_also_when_they_counted_in_a_later_round():
    world = world_of("a", "b", "slow", rounds=5)
    latencies(world, a=60, b=60, slow=150)
    receipts = []
    world.engine.advance()
    while world.run().ended_at is None:
        world.clock.now = max(world.clock.now, world.work.next_arrival or world.clock.now)
        receipt = world.work.arrive()
        receipts.append(receipt)
        world.engine.receive(receipt)
        world.engine.advance()
    before = world.run().totals
    wh = before.energy_wh
    for receipt in receipts:
        made = world.engine.receive(receipt)
        assert made is not None
        assert made.kind in {"update.duplicate", "update.late"}
    assert world.run().totals.energy_wh == wh


def test_a_buffer_that_nobody_is_left_to_fill_becomes_a_version():
    world = world_of("a", "b", "c", buffer=3, rounds=1)
    latencies(world, a=60, b=60, c=6000)
    world.play(5 * MINUTE)
    assert not world.run().closed
    world.happen(ClientSilent(), client="c")
    world.work.lose.add("c")
    world.play(3 * HOUR)  # its assignment is given up at its deadline
    run = world.run()
    assert [closed.cohort for closed in run.closed] == [("a", "b")]
    assert run.end_reason == "rounds"


def arrived_at_once(world: MemoryWorld) -> list[Receipt]:
    """Return the answers of three clients that train for a minute."""
    latencies(world, a=60, b=60, c=60)
    world.engine.advance()
    world.clock.now += MINUTE
    return [world.work.arrive() for _ in range(3)]


def test_an_update_that_comes_while_a_version_is_made_counts_in_the_next_one():
    world = world_of("a", "b", "c", rounds=2)
    first, second, third = arrived_at_once(world)

    def meanwhile() -> None:
        made = world.engine.receive(third)
        assert isinstance(made, UpdateAccepted)
        assert made.admission.staleness == 1

    world.learning.meanwhile = meanwhile
    world.engine.receive(first)
    world.engine.receive(second)
    world.engine.advance()
    run = world.run()
    assert [line.client for line in run.closed[0].manifest] == [first.client, second.client]
    assert list(world.open_round().accepted) == [third.client]
    world.play()
    assert third.client in world.run().closed[1].cohort


def test_a_lost_update_withdraws_the_manifest_and_those_that_came_since_count_now():
    world = world_of("a", "b", "c", rounds=2)
    first, second, third = arrived_at_once(world)

    def meanwhile() -> None:
        world.engine.receive(third)

    world.learning.meanwhile = meanwhile
    world.learning.lost = {first.client: "missing"}
    world.engine.receive(first)
    world.engine.receive(second)
    world.engine.advance()
    world.play()
    run = world.run()
    assert run.closed[0].cohort == tuple(sorted([second.client, third.client]))
    assert run.end_reason == "rounds"


def test_hours_end_a_run_and_make_a_version_of_what_came():
    world = world_of("a", "b", "c", buffer=3, rounds=None, hours=1)
    latencies(world, a=60, b=60, c=7000)
    world.play(2 * HOUR)
    run = world.run()
    assert run.end_reason == "hours"
    assert [closed.cohort for closed in run.closed] == [("a", "b")]


def test_grams_end_a_run_once_those_that_are_out_have_answered():
    # Two Wh at 100 g/kWh are 0.2 g an update: three fit into 0.7 g, and a fourth does not.
    world = world_of("a", "b", "c", rounds=None, grams=0.7)
    world.play()
    run = world.run()
    assert run.end_reason == "grams"
    assert run.spent_gco2eq == pytest.approx(0.6)
    assert run.totals.uncounted_wh == pytest.approx(2.0)  # a third of a buffer makes no version


def test_a_goal_ends_a_run_at_once():
    world = world_of("a", "b", "c", stop_when="accuracy>=0.2", rounds=50)
    world.play()
    run = world.run()
    assert (run.end_reason, len(run.closed)) == ("reached", 2)


def test_a_stop_ends_a_run_and_what_is_out_is_booked():
    world = world_of("a", "b", "c", rounds=50)
    world.play(90 * timedelta(seconds=1))
    world.stop()
    world.play(5 * MINUTE)
    run = world.run()
    assert run.end_reason == "stopped"
    assert not run.open_round
    assert all(b.outcome != "lost" for b in world.history.state.book)


def test_a_pause_lets_those_that_are_out_finish_and_invites_nobody():
    world = world_of("a", "b", "c", rounds=50)
    world.engine.advance()
    world.pause()
    world.play(10 * MINUTE)
    assert len(world.run().closed) == 1
    assert not world.open_round().open_assignments()
    assert list(world.open_round().accepted) == ["c"]
    world.resume()
    world.play(10 * MINUTE)
    assert len(world.run().closed) > 2


def test_the_baseline_holds_the_same_work_one_version_after_the_other():
    world = world_of("a", "b", "c", rounds=3)
    world.play()
    run = world.run()
    assert [closed.baseline_started for closed in run.closed] == [
        NOON, NOON + MINUTE, NOON + 2 * MINUTE,
    ]  # fmt: skip
    assert run.closed[-1].baseline_gco2eq == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(3))
def test_events_folded_again_give_the_same_state(seed):
    world = world_of("a", "b", "slow", rounds=5, seed=seed)
    latencies(world, a=60, b=90, slow=150)
    world.play()
    again = Federation()
    for event in world.history.events:
        apply(again, event)
    ours = world.history.state
    assert again.runs["r"].closed.recent == ours.runs["r"].closed.recent
    assert again.runs["r"].totals == ours.runs["r"].totals


def test_the_status_says_how_full_the_buffer_is_and_who_trains():
    world = world_of("a", "b", "slow", buffer=3, rounds=5)
    latencies(world, a=60, b=60, slow=600)
    world.play(2 * MINUTE)
    found = explain_run(
        world.history.state, world.run(), now=world.clock.now, wall_now=world.clock.now
    )
    assert found.sentence == "Version 1 has 2 of the 3 updates that make it. Training at slow."
    assert world.run().status == "running"


def test_a_client_starts_at_its_own_minute_unless_it_trained_lately():
    world = world_of("a", "b", "c")
    run, clients = world.run(), list(world.history.state.clients.values())
    later, stagger = NOON + 5 * HOUR, timedelta(minutes=59)
    assert starts_to_come(run, clients, NOON + MINUTE, stagger) == {}  # in its first hour
    starts = starts_to_come(run, clients, later, stagger)
    assert len(set(starts.values())) == len(starts) > 1
    assert all(later < start < later + stagger for start in starts.values())
    assert starts == starts_to_come(run, clients, later, stagger)
    clients[0].trained_at = later - MINUTE
    assert clients[0].id not in starts_to_come(run, clients, later, stagger)


def test_clients_of_one_zone_do_not_all_start_when_its_clean_hour_begins():
    # Five dirty hours, then clean ones.
    world = world_of(
        "a", "b", "c", "d", intensities=[*[900.0] * 5, 100.0], rounds=2, buffer=4,
        concurrency=4, stagger=timedelta(minutes=59),
    )  # fmt: skip
    world.play(7 * HOUR)
    begun = [
        event.grid_at
        for event in world.history.events
        if isinstance(event.payload, RoundPlanned)
        for _ in event.payload.cohort
    ][:4]
    assert min(begun) >= NOON + 5 * HOUR
    assert len(set(begun)) >= 3


def test_sites_score_a_version_only_where_they_trained_from_it():
    world = MemoryWorld("a", "b", "slow", scored_here=False, held_out=5)
    world.start(mode="async", buffer=2, concurrency=3, rounds=4)
    latencies(world, a=60, b=60, slow=150)
    world.play(3 * HOUR)
    run = world.run()
    assert run.end_reason == "rounds"
    fresh = [sum(line.issued == closed.number for line in closed.manifest) for closed in run.closed]
    assert 1 in fresh  # one update of that version was trained from an older one
    sites = [closed.held_out.sites if closed.held_out else 0 for closed in run.closed]
    assert sites == fresh
    assert run.closed[-1].evaluation is not None  # its last cohort scored it, without training
