"""SCAFFOLD in a federation of processes: whatever is lost, control variates are as undisturbed.

The undisturbed run is made of plain function calls in this process. A control variate that counted
twice, or not at all, would show in the next version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundClosed, RoundCommitted, UpdateAccepted
from tasks.local.federation import COORDINATOR
from tests.integration.fleet import Failpoint, Fleet
from tests.integration.test_faults import (
    ZONES,
    all_alive,
    assert_as_if_undisturbed,
    sound_fleet,
)

pytestmark = pytest.mark.slow

ROUNDS = 6
SITE = "west"
RECEIPTS = "aggregation"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("scaffold")) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return all_alive(started, monkeypatch)


def begin(fleet: Fleet, run: str) -> None:
    """Start a run, and return when its sites get corrections."""
    fleet.start_run(run, algorithm="scaffold", rounds=ROUNDS, quorum=len(ZONES), momentum=0.5)
    fleet.wait_event(RoundClosed, run)


def test_a_site_that_is_killed_gives_the_update_that_it_would_have(
    fleet: Fleet, tmp_path: Path
) -> None:
    begin(fleet, "killed")
    failpoint = Failpoint("site.training", tmp_path)
    fleet.restart(SITE, failpoint.env)
    fleet.wait(failpoint.reached, "training")
    fleet.restart(SITE)
    assert_as_if_undisturbed(fleet, "killed", tmp_path)
    assert {event.client for event in fleet.events("assignment.reissued", "killed")} == {SITE}


def test_a_receipt_that_is_lost_moves_no_control_variate(fleet: Fleet, tmp_path: Path) -> None:
    begin(fleet, "lost")
    failpoint = Failpoint("site.offered", tmp_path)
    fleet.restart(SITE, failpoint.env)
    fleet.wait(failpoint.reached, "an update that is offered")
    fleet.kill_coordinator()
    failpoint.release()
    fleet.wait(lambda: fleet.redis.llen(RECEIPTS), "the receipt")
    fleet.redis.delete(RECEIPTS)
    fleet.local.start_coordinator()
    assert_as_if_undisturbed(fleet, "lost", tmp_path)


def test_a_coordinator_that_dies_before_it_records_a_round_makes_it_again(
    fleet: Fleet, tmp_path: Path
) -> None:
    begin(fleet, "summed")
    failpoint = Failpoint("round.summed", tmp_path)
    fleet.restart(COORDINATOR, failpoint.env)
    fleet.wait(failpoint.reached, "a version that is made")
    fleet.restart(COORDINATOR)
    assert_as_if_undisturbed(fleet, "summed", tmp_path)


def test_control_variates_are_named_kept_while_needed_and_proven(
    fleet: Fleet, tmp_path: Path
) -> None:
    begin(fleet, "named")
    assert_as_if_undisturbed(fleet, "named", tmp_path)
    committed = fleet.payloads(RoundCommitted, "named")
    assert {p.controls and p.controls.num_clients for p in committed} == {len(ZONES)}
    closed, blobs = fleet.payloads(RoundClosed, "named"), Blobs(fleet.home / "blobs")
    controls = [{c.server_control, *c.client_controls.values()} for c in closed]
    assert [len(names) for names in controls] == [1 + len(ZONES)] * ROUNDS
    # Those of the last two rounds are kept, those before can be made again.
    there = [sum(blobs.has(name or "") for name in names) for names in controls]
    assert there == [0] * (ROUNDS - 2) + [1 + len(ZONES)] * 2
    pulled = [
        (event.round, event.payload.work.pulled_nbytes)
        for event in fleet.ledger.events(run="named")
        if isinstance(event.payload, UpdateAccepted)
    ]
    first, later = {n for r, n in pulled if r == 1}, {n for r, n in pulled if r > 1}
    assert len(first) == len(later) == 1
    assert later.pop() == pytest.approx(2 * first.pop(), rel=0.01)

    # What is lost is made again from the updates alone.
    last = closed[-1].server_control
    assert last is not None
    blobs.remove(last)
    replayed = fleet.local.fairwind("ledger", "replay", "--run", "named", "--repair")
    assert replayed.returncode == 0, replayed.stderr
    assert f"{ROUNDS} versions recomputed, all the same; 1 put back" in replayed.stdout
    assert blobs.has(last)
