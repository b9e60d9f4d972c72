"""The coordinator's worker takes each of its own tasks."""

from __future__ import annotations

import subprocess
import sys

LISTED = """
import tasks.coordinator.advice, tasks.coordinator.carbon, tasks.coordinator.joining
import tasks.coordinator.rounds
from tasks.app import app
from tasks.coordinator.worker import _TAKEN

ours = {name for name in app.tasks if not name.startswith("celery.")}
print(sorted(ours ^ _TAKEN.keys()))
"""


def test_every_task_of_the_coordinator_is_taken_from_its_queues_and_no_other():
    listed = subprocess.run(
        [sys.executable, "-c", LISTED], capture_output=True, text=True, check=True
    )

    assert listed.stdout.strip() == "[]"
