"""A pool's child dies alone: what it had in hand is taken up again, soon and where it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from common import settings
from common.clock import wall_now
from tasks.local.federation import COORDINATOR, site_name
from tests.integration.fleet import Failpoint, Fleet, running_fleet
from tests.integration.test_faults import INTENSITIES, ZONES

pytestmark = pytest.mark.slow

RECOVERED_WITHIN = timedelta(seconds=60)
"""A tenth of the deadline, at which the work would be given up; ten seconds on a quiet machine."""


@pytest.fixture(scope="module")
def at_defaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A federation that ticks and sends heartbeats as seldom as it does by default."""
    names = ("tick_s", "heartbeat_s", "silent_after_s")
    values = {
        "FAIRWIND_STATIC_GCO2EQ_PER_KWH": INTENSITIES,
        **{f"FAIRWIND_{n}".upper(): str(settings.Settings.model_fields[n].default) for n in names},
    }
    folder = tmp_path_factory.mktemp("defaults") / "federation"
    with running_fleet(folder, ZONES, settings=values) as fleet:
        yield fleet


DEATHS = [
    ("west", "site.training"),
    ("west", "site.offered"),
    (COORDINATOR, "round.planned"),
    (COORDINATOR, "update.received"),
    (COORDINATOR, "update.recorded"),
    (COORDINATOR, "round.committed"),
]
"""Whose child dies, and where."""


@pytest.mark.parametrize(("process", "place"), DEATHS)
def test_the_death_of_a_child_is_recovered_from_long_before_the_deadline(
    process, place, at_defaults, tmp_path
):
    fleet, run = at_defaults, f"{process}-{place}"
    failpoint = Failpoint(place, tmp_path)
    fleet.restart(process, failpoint.env)
    fleet.wait_alive(*ZONES)
    fleet.start_run(run, rounds=1, quorum=len(ZONES))
    fleet.wait(failpoint.reached, place)
    died_at = wall_now()
    for child in fleet.children(process if process == COORDINATOR else site_name(process)):
        child.kill()
    ended = fleet.wait_ended(run)
    (recovered_at,) = [event.at for event in fleet.events("round.closed", run)]
    assert timedelta(0) < recovered_at - died_at < RECOVERED_WITHIN
    # What a child had in hand is taken up where it died; a plan that died before it was sent is
    # sent by the next tick.
    reissued = {event.kind for event in fleet.events("assignment.reissued", run)}
    assert not reissued or place == "round.planned"
    assert not fleet.events("update.duplicate", run), "nothing is booked twice"
    assert ended.end_reason == "rounds"
    assert [closed.cohort for closed in ended.closed] == [tuple(sorted(ZONES))]
