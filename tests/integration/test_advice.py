"""Advice reaches the sites that live, once a grid day, and waits in no queue."""

import json
import os
import re
import subprocess
import sys

from tasks.local.federation import COORDINATOR
from tests.integration.fleet import Fleet

ADVISE = (
    "from tasks.coordinator.coordinator import coordinator;"
    "from tasks.coordinator.advice import advise;"
    "advise(coordinator())"
)


def advise(fleet: Fleet) -> str:
    """Let the coordinator advise, in a process of its own, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-c", f"from common import log; log.configure('INFO'); {ADVISE}"],
        env=os.environ | fleet.local.env | {"FAIRWIND_HOME": str(fleet.home)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_every_living_site_is_advised_once_a_grid_day(fleet):
    fleet.start_run("advised", rounds=2)
    fleet.wait_ended("advised")
    fleet.enroll("absent", "FR")
    # A call leaves those out whose queue holds something; beat may have let some be advised.
    sent = advise(fleet) + advise(fleet) + fleet.log(COORDINATOR)
    folder = fleet.local.folder / "sites" / "north" / "advice"
    fleet.wait((folder / "north.md").exists, "the advice of north")
    assert (folder / "north.md").read_text().startswith("# Advice for north in NO-NO1")
    assert json.loads((folder / "north.json").read_text())["practice"]["updates"] >= 2
    for client in ("north", "west", "odd", "modest", "coal"):
        assert len(re.findall(rf"advice\.sent +client={client} ", sent)) == 1
    assert "advice.sent" not in advise(fleet)
    assert fleet.redis.exists("client.absent") == 0
