"""What `fairwind up` does before its processes start, and how they are started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import GridClock, wall_now
from common.settings import Settings
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from scheduler.status.drivers import Drivers
from tasks.local.bring_up import enroll_all
from tasks.local.federation import LocalFederation
from tasks.local.remembered import Remembered
from tasks.messaging.drivers import _up_of


def test_a_site_of_a_ledger_from_before_keys_gets_its_key_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    local = LocalFederation(tmp_path, {})
    key = local.site_key("lyon")
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    with ledger.transaction() as tx:
        tx.append(Draft(ClientEnrolled(zone="FR", num_examples=120), client="lyon"))
    enroll_all(ledger, local, {"lyon": "FR"})
    lyon = ledger.state().clients["lyon"]
    assert (lyon.key, lyon.num_examples) == (key, 120)
    assert capsys.readouterr().out.startswith("Keys      lyon had none in the ledger")
    before = ledger.latest_seq()
    enroll_all(ledger, local, {"lyon": "FR"})
    assert ledger.latest_seq() == before
    ledger.close()


def test_what_up_manages_is_started_again_by_up(tmp_path: Path):
    ours = Settings(home=tmp_path / "home")
    assert _up_of(ours) == ""
    Remembered().save(tmp_path)
    up = _up_of(ours)
    assert up == f"fairwind up --folder {tmp_path}"
    seen = Drivers.seen({}, now=wall_now(), silent_after_s=20.0, up=up)
    assert [text.partition("Start: ")[2] for text in seen.sentences()] == [up, up]
    assert seen.to_dict()["each"][0]["command"] == up
    away = Drivers.seen({}, now=wall_now(), silent_after_s=20.0)
    assert away.sentences()[1].endswith("Start: celery -A tasks beat")
