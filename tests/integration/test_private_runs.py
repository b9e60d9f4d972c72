"""Private runs in a federation of processes: killed anywhere, what left was debited before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.ledger.events import UpdateAccepted
from tasks.site.odometer import Odometer
from tests.integration.fleet import Failpoint, Fleet, assert_accounted_for
from tests.integration.test_faults import ZONES, all_alive, sound_fleet

pytest.importorskip("opacus")

pytestmark = pytest.mark.slow

SITE = "west"
ROUNDS = 2


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sound_fleet(tmp_path_factory.mktemp("private")) as fleet:
        yield fleet


@pytest.fixture
def fleet(started: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return all_alive(started, monkeypatch)


def debited(fleet: Fleet, run: str) -> list[int]:
    """Return the round of each debit of a run at the site that is killed."""
    odometer = Odometer(fleet.local.folder / "sites" / SITE / "site" / SITE / "privacy")
    return [each.round for each in odometer.debits() if each.run == run]


@pytest.mark.parametrize(
    ("place", "debits"),
    [
        ("privacy.debited", [1, 1, 2]),  # its secret was not kept yet: another one, and a debit
        ("privacy.sealed", [1, 2]),
        ("site.training", [1, 2]),
        ("site.kept", [1, 2]),
        ("privacy.released", [1, 2]),
    ],
)
def test_a_site_that_is_killed_debits_what_leaves(
    place: str, debits: list[int], fleet: Fleet, tmp_path: Path
) -> None:
    run, failpoint = place.replace(".", "-"), Failpoint(place, tmp_path)
    fleet.restart(SITE, failpoint.env)
    fleet.start_run(run, rounds=ROUNDS, quorum=len(ZONES), privacy="record", batch_size=64)
    fleet.wait(failpoint.reached, place)
    fleet.restart(SITE)
    ended = fleet.wait_ended(run)
    assert ended.end_reason == "rounds"
    assert_accounted_for(fleet, run)
    assert debited(fleet, run) == debits
    spent = ended.privacy[SITE]
    assert (spent.trainings, spent.epsilon > 0) == (len(debits), True)
    for update in fleet.payloads(UpdateAccepted, run):
        assert (update.work.loss, update.work.utility, update.work.metrics) == (None, None, {})
        assert update.admission.weight == 1


def test_the_privacy_of_a_run_is_shown_at_the_coordinator(fleet: Fleet) -> None:
    fleet.start_run("shown", rounds=1, quorum=len(ZONES), privacy="record", batch_size=64)
    fleet.wait_ended("shown")
    shown = fleet.local.fairwind("run", "show", "shown", "--privacy", "--json")
    privacy = json.loads(shown.stdout)["run"]["privacy"]
    assert set(privacy["sites"]) == set(ZONES)
