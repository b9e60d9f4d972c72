"""`fairwind clients` says what is wrong with the federation above its table."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from common import settings
from common.clock import GridClock, wall_now
from common.identity import Identity
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, ClientKeyAccepted, RunStarted
from scheduler.ledger.run_spec import RunSpec
from tasks.cli import fairwind


@pytest.mark.parametrize("verb", ["clients", "status"])
def test_redis_that_does_not_answer_is_named_once(verb, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.load.cache_clear()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    with ledger.transaction() as tx:
        tx.append(
            Draft(ClientEnrolled(zone="FR"), client="lyon"),
            Draft(
                RunStarted(spec=RunSpec(id="digits-1", workload="digits", rounds=2)), run="digits-1"
            ),
        )

    done = CliRunner().invoke(fairwind, [verb])

    assert done.exit_code == 0
    assert done.output.count("Redis at 127.0.0.1:1 does not answer") == 1


def test_whether_a_site_has_joined_with_its_kit_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.load.cache_clear()
    kit_key, key = Identity.make().public.text, Identity.make().public.text
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    before = wall_now() + timedelta(days=1)
    with ledger.transaction() as tx:
        for client in ("lyon", "oslo"):
            kit = ClientEnrolled(zone="FR", kit_key=kit_key, join_before=before)
            tx.append(Draft(kit, client=client))
        tx.append(Draft(ClientEnrolled(zone="DE"), client="berlin"))
        tx.append(Draft(ClientKeyAccepted(key=key, kit_key=kit_key), client="lyon"))
    rows = json.loads(CliRunner().invoke(fairwind, ["clients", "--json"]).output)
    assert {row["client"]: row["kit"] for row in rows} == {
        "lyon": "joined", "oslo": "not joined", "berlin": None,
    }  # fmt: skip
    shown = CliRunner().invoke(fairwind, ["clients"]).output
    assert "not joined" in shown
