"""Sizes that are claimed and figures that are impossible: nobody makes room, and runs go on."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import redis

from common.clock import wall_now
from common.errors import TransportError
from common.messages import BlobRef, Energy, Receipt, Timings
from scheduler.ledger.event import Draft
from scheduler.ledger.events import AssignmentFailed, ClientRetired, UpdateAccepted, UpdateLate
from tasks.local.federation import COORDINATOR
from tasks.messaging.heartbeats import heartbeat_key
from tasks.messaging.transport import RedisTransport, fetch
from tasks.messaging.transport.by_redis import PIECE
from tests.integration.attacks.waiting import start_waiting_for_odd
from tests.integration.fleet import Fleet
from tests.unit.tasks.messaging.transport_contract import content, put

RUN = "poisoned"
HALF_A_CENTURY = timedelta(days=18_262)
HUGE = 2 * 10**13
KEY = "update~a~r~1"
MB = 2**20


# --- bytes in flight --------------------------------------------------------------------------


@pytest.fixture
def transport(redis_client: redis.Redis) -> RedisTransport:
    return RedisTransport(redis_client, 90, patience_s=0.0)


def peak_nbytes(work: Callable[[], object]) -> int:
    """Return the most memory that Python held at once while this was done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(transport: RedisTransport, ref: BlobRef) -> None:
    with pytest.raises(TransportError):
        fetch(transport, ref)


def test_a_claimed_size_of_which_nothing_is_there(transport: RedisTransport) -> None:
    ref = BlobRef(key=KEY, sha256="0" * 64, nbytes=HUGE)
    for work in (transport.has, transport.has_some, transport.delete):
        assert peak_nbytes(partial(work, ref)) < MB
    assert peak_nbytes(lambda: refused(transport, ref)) < MB


def test_a_claimed_size_of_which_only_the_beginning_is_there(
    transport: RedisTransport, tmp_path: Path
) -> None:
    there = put(transport, tmp_path, content(3 * PIECE))
    ref = there.model_copy(update={"nbytes": HUGE})
    assert not transport.has(ref)
    for work in (transport.has, transport.has_some, transport.delete):
        assert peak_nbytes(partial(work, ref)) < MB


@pytest.mark.parametrize("place", [0, 1, 40])
def test_a_piece_that_is_larger_than_a_piece_is_not_fetched(
    transport: RedisTransport, redis_client: redis.Redis, tmp_path: Path, place: int
) -> None:
    ref = put(transport, tmp_path, content(64 * PIECE))
    redis_client.hset(f"fairwind:blob:{KEY}", str(place), b"x" * (64 * MB))
    # Up to 4 MB are fetched ahead while as many are used.
    assert peak_nbytes(lambda: refused(transport, ref)) < 24 * MB


def test_a_name_that_is_larger_than_a_piece_is_not_fetched(
    transport: RedisTransport, redis_client: redis.Redis, tmp_path: Path
) -> None:
    ref = put(transport, tmp_path, content(8))
    redis_client.hset(f"fairwind:blob:{KEY}", "sha256", b"x" * (64 * MB))
    assert peak_nbytes(lambda: refused(transport, ref)) < MB


# --- a federation ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poisoned(fleet: Fleet) -> Iterator[Fleet]:
    """A run whose only round waits for odd, which then answers with impossible figures."""
    go = start_waiting_for_odd(fleet, RUN)
    fleet.put("accept", "aggregation", fleet.signed(impossible(), by=fleet.signer("odd")))
    yield fleet
    go.touch()
    fleet.wait_event(UpdateLate, RUN, client="odd")
    go.unlink()


def impossible() -> Receipt:
    """Return the failure of odd, with figures that no site can have."""
    now = wall_now()
    return Receipt(
        run=RUN, round=1, client="odd", attempt=0, outcome="failed", incarnation="hostile",
        started_at=now - HALF_A_CENTURY, ended_at=now, sent_at=now,
        energy=Energy(energy_wh=1e306, method="rapl", quality="measured", pue=1.0),
        metrics={"accuracy": 1.7e308}, num_held_out=2**39, num_examples=2**39,
        timings=Timings(train_s=1.7e308), utility=1.7e308, loss=-1.7e308,
        frozen_nbytes=2**50 - 1,
        update=BlobRef(key="update~odd~poisoned~1", sha256="0" * 64, nbytes=HUGE),
    )  # fmt: skip


def test_a_receipt_of_impossible_figures_is_booked_as_unknown(poisoned: Fleet) -> None:
    work = poisoned.wait_event(AssignmentFailed, RUN, client="odd").work
    assert (work.energy, work.gco2eq, work.metrics) == (None, None, {"accuracy": None})
    assert (work.utility, work.loss) == (None, None)
    assert work.num_held_out <= 10**6
    assert work.nbytes < 10 * MB
    assert work.pulled_nbytes < 10 * MB
    assert work.grid_ended_at - work.grid_started_at < timedelta(hours=1)
    run = poisoned.wait_ended(RUN)
    assert (run.end_reason, run.closed[0].cohort) == ("rounds", ("north", "west"))
    assert "Traceback" not in poisoned.log(COORDINATOR)
    shown = poisoned.local.fairwind("run", "show", RUN)
    assert shown.returncode == 0
    assert not {"inf", "nan"} & set(shown.stdout.split())


def test_a_heartbeat_that_is_none_stops_no_other_client(poisoned: Fleet) -> None:
    for ghost in ("list", "large"):
        poisoned.enroll(ghost, "FR")
    poisoned.redis.lpush(heartbeat_key("list"), "x")
    poisoned.redis.set(heartbeat_key("large"), b'{"client": "' + b"g" * (8 * MB))
    try:
        poisoned.start_run("beside-ghosts", rounds=1)
        for client in ("north", "west"):
            poisoned.wait_event(UpdateAccepted, "beside-ghosts", client=client)
        assert poisoned.local.fairwind("run", "stop", "beside-ghosts").returncode == 0
        assert poisoned.wait_ended("beside-ghosts").end_reason == "stopped"
        assert not any(poisoned.state().clients[ghost].alive for ghost in ("list", "large"))
    finally:
        with poisoned.ledger.transaction() as tx:
            for ghost in ("list", "large"):
                poisoned.redis.delete(heartbeat_key(ghost))
                tx.append(Draft(ClientRetired(), client=ghost))
