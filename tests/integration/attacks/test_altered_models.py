"""Whoever alters a model on its way is found out at once, and no site is blamed for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from scheduler.ledger.events import AssignmentFailed, AssignmentGivenUp, AssignmentReissued
from scheduler.ledger.run_spec import RunSpec
from tests.integration.fleet import Fleet, assert_accounted_for

RUN = "altered"


@contextmanager
def altering(url: str) -> Iterator[None]:
    """Overwrite a piece of every model in flight, again and again."""
    ends = threading.Event()

    def alter() -> None:
        with redis.Redis.from_url(url) as client:
            while not ends.is_set():
                for key in client.scan_iter("fairwind:blob:model~*", count=1000):
                    if nbytes := client.hstrlen(key.decode(), "0"):
                        client.hset(key, "0", b"x" * nbytes)

    thread = threading.Thread(target=alter)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_an_altered_model_is_sent_again_and_never_charged_to_the_sites(fleet: Fleet) -> None:
    unanswered = {c.id: c.unanswered for c in fleet.state().clients.values()}
    with altering(fleet.local.redis_url):
        fleet.begin_run(RunSpec(id=RUN, workload="digits", policy="all", hours=1000))
        given_up = fleet.wait_event(AssignmentGivenUp, RUN)
    assert (given_up.code, given_up.reason.code) == ("undelivered", "model_altered")
    closed = len(fleet.run(RUN).closed)
    fleet.wait(lambda: len(fleet.run(RUN).closed) > closed + 1, "rounds after the attack")
    again = {each.code for each in fleet.payloads(AssignmentReissued, RUN)}
    assert "model_altered" in again
    assert fleet.payloads(AssignmentFailed, RUN) == []
    assert unanswered == {c.id: c.unanswered for c in fleet.state().clients.values()}
    said = fleet.local.fairwind("status", "--run", RUN).stdout
    assert "Somebody alters bytes in Redis" in said
    assert fleet.local.fairwind("run", "stop", RUN).returncode == 0
    fleet.wait_ended(RUN)
    assert_accounted_for(fleet, RUN)
