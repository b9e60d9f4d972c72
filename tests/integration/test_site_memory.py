"""Whatever happens to a site or to its answers: what it remembers is neither skipped nor doubled.

Only the largest twentieth of the values travels, so almost all that a round trains is remembered:
a state that were skipped, or counted twice, would show in the last version.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.envelope import Envelope
from common.messages import BlobRef, Receipt
from common.settings import Settings
from scheduler.ledger.events import (
    RoundClosed,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
)
from tasks.site.memory import SiteMemory
from tasks.site.site_files import SiteFiles
from tests.integration.fleet import Failpoint, Fleet
from tests.integration.test_faults import (
    ZONES,
    all_alive,
    assert_as_if_undisturbed,
    sound_fleet,
)

pytestmark = pytest.mark.slow

ROUNDS = 12
SITE = "west"
RECEIPTS = "aggregation"
"""The queue on which receipts wait for the coordinator."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("memory")) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return all_alive(started, monkeypatch)


def begin(fleet: Fleet, run: str) -> None:
    """Start a run, and return when its sites have something to remember."""
    fleet.start_run(run, rounds=ROUNDS, quorum=len(ZONES), update="topk:0.05")
    fleet.wait_event(RoundClosed, run)


def accepted(fleet: Fleet, run: str) -> set[str]:
    """Return whose updates count so far in a run's open round."""
    now = fleet.run(run).open_round
    return set(now.accepted) if now else set()


def remembered(fleet: Fleet) -> SiteMemory:
    home = fleet.local.folder / "sites" / SITE
    return SiteMemory(SiteFiles(Settings(home=home), SITE).memory)


@pytest.mark.parametrize("place", ["site.training", "site.remembered", "site.kept", "site.offered"])
def test_a_site_that_is_killed_goes_on_from_the_same_state(
    fleet: Fleet, tmp_path: Path, place: str
) -> None:
    run, failpoint = f"killed-{place}", Failpoint(place, tmp_path)
    begin(fleet, run)
    fleet.restart(SITE, failpoint.env)
    fleet.wait(failpoint.reached, place)
    fleet.restart(SITE)
    assert_as_if_undisturbed(fleet, run, tmp_path)
    accepted = fleet.payloads(UpdateAccepted, run)
    assert all(payload.work.memory and not payload.work.memory_lost for payload in accepted)
    assert {event.client for event in fleet.events("assignment.reissued", run)} == {SITE}


@pytest.fixture
def receipt(fleet: Fleet, tmp_path: Path) -> Callable[[str], bytes]:
    """Return what stops a run with one site's receipt in Redis and nobody to take it."""

    def held(run: str) -> bytes:
        begin(fleet, run)
        failpoint = Failpoint("site.offered", tmp_path)
        fleet.restart(SITE, failpoint.env)
        fleet.wait(failpoint.reached, "an update that is offered")
        fleet.wait(lambda: accepted(fleet, run) == set(ZONES) - {SITE}, "those of the others")
        fleet.kill_coordinator()
        failpoint.release()
        fleet.wait(lambda: fleet.redis.llen(RECEIPTS), "the receipt")
        # The restarted site may have been sent its assignment twice, and answer each time.
        time.sleep(1)
        fleet.redis.ltrim(RECEIPTS, -1, -1)
        (message,) = fleet.redis.lrange(RECEIPTS, 0, -1)
        assert isinstance(message, bytes)
        return message

    return held


def sent_again(fleet: Fleet, message: bytes, **changes: Any) -> bytes:
    """Return the message of a receipt as its site sends it once more, with other words perhaps."""
    sent = json.loads(message)
    args, kwargs, embed = json.loads(base64.b64decode(sent["body"]))
    envelope = Envelope.model_validate(args[0])
    receipt = Receipt.model_validate_json(envelope.payload).model_copy(update=changes)
    header = envelope.header
    sealed = fleet.signed(receipt, plan_hash=header.plan_hash, model_hash=header.model_hash)
    body = json.dumps([[sealed], kwargs, embed]).encode()
    return json.dumps(sent | {"body": base64.b64encode(body).decode()}).encode()


def test_a_receipt_that_is_lost_is_sent_again(
    fleet: Fleet, receipt: Callable[[str], bytes], tmp_path: Path
) -> None:
    receipt("lost")
    fleet.redis.delete(RECEIPTS)
    fleet.local.start_coordinator()
    assert_as_if_undisturbed(fleet, "lost", tmp_path)
    assert {event.client for event in fleet.events("assignment.reissued", "lost")} == {SITE}


def test_a_receipt_that_comes_twice_counts_once(
    fleet: Fleet, receipt: Callable[[str], bytes], tmp_path: Path
) -> None:
    fleet.redis.lpush(RECEIPTS, sent_again(fleet, receipt("twice")))
    fleet.local.start_coordinator()
    assert_as_if_undisturbed(fleet, "twice", tmp_path)
    assert len(fleet.payloads(UpdateDuplicate, "twice")) == 1


def test_a_receipt_that_conflicts_with_one_that_counts_leaves_no_trace(
    fleet: Fleet, receipt: Callable[[str], bytes], tmp_path: Path
) -> None:
    message = receipt("conflict")
    ref = BlobRef(key="update~x", sha256="1" * 64, nbytes=9)
    fleet.redis.lpush(RECEIPTS, sent_again(fleet, message, update=ref, memory="2" * 64))
    fleet.local.start_coordinator()
    assert_as_if_undisturbed(fleet, "conflict", tmp_path)
    (refused,) = fleet.payloads(UpdateConflicting, "conflict")
    assert refused.work.memory == "2" * 64


def test_a_site_that_lost_what_it_remembered_starts_afresh_and_says_so(fleet: Fleet) -> None:
    begin(fleet, "gone")
    fleet.kill_site(SITE)
    shutil.rmtree(fleet.local.folder / "sites" / SITE / "site" / SITE / "memory")
    fleet.start_site(SITE)
    ended = fleet.wait_ended("gone")
    assert len(ended.closed) == ROUNDS
    lost = [
        (event.client, event.payload.work.memory_lost)
        for event in fleet.ledger.events(run="gone")
        if isinstance(event.payload, UpdateAccepted) and event.payload.work.memory_lost
    ]
    assert lost == [(SITE, True)]
    shown = fleet.local.fairwind("run", "show", "gone").stdout
    assert "What a site remembered of this run was lost there: west before its update" in shown


def test_a_site_keeps_no_more_than_it_may_have_to_start_from(fleet: Fleet) -> None:
    fleet.start_run("shown", rounds=3, quorum=len(ZONES), update="topk:0.05")
    fleet.wait_ended("shown")
    held = [each for each in remembered(fleet).held() if each.run == "shown"]
    assert [(each.round, each.kinds) for each in held] == [
        (2, ("error_feedback",)), (3, ("error_feedback",)),
    ]  # fmt: skip
