"""A site's disk has no room for what a run lets it remember: it declines before it trains."""

from __future__ import annotations

from pathlib import Path

from scheduler.ledger.events import AssignmentDeclined, UpdateAccepted
from scheduler.ledger.run_spec import RunSpec
from tests.integration.fleet import running_fleet
from tests.integration.test_full_disk import ZONES, fill, small_disk

SETTINGS = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}'}


def asked(run: str) -> RunSpec:
    return RunSpec(
        id=run, workload="digits", policy="all", rounds=2, quorum=1, encoding="topk:0.05"
    )


def test_a_site_without_room_to_remember_declines_and_says_what_to_free(tmp_path: Path) -> None:
    memory = tmp_path / "federation" / "sites" / "west" / "site" / "west" / "memory"
    with small_disk(memory), running_fleet(memory.parents[4], ZONES, settings=SETTINGS) as fleet:
        filler = fill(memory)
        fleet.begin_run(asked("full"))
        fleet.wait_ended("full")
        declined = fleet.payloads(AssignmentDeclined, "full")[0]
        assert declined.work.reason is not None
        assert declined.work.reason.code == "disk_full"
        assert declined.work.reason.text.startswith(f"The disk of {memory} has 0 B free")
        assert declined.work.energy is None, "nothing was trained for nothing"
        assert {event.client for event in fleet.events("update.accepted", "full")} == {"north"}
        filler.unlink()
        fleet.begin_run(asked("free"))
        fleet.wait_ended("free")
        accepted = fleet.payloads(UpdateAccepted, "free")
        assert len(accepted) == 2 * len(ZONES)
        assert all(update.work.memory for update in accepted)
