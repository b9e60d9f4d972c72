"""Which tasks a worker takes from its queues, and where it counts what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.messages import Reason
from tasks.messaging.inbox import UNKNOWN
from tasks.messaging.queues import queue, send
from tasks.messaging.refusals import Refusals, refusals_file
from tasks.wire.intake import open_intake, take_owed
from tasks.wire.task_message import Arguments


def take_only(
    tasks: Arguments, folder: Path, *, wakes_every_s: Mapping[str, float] | None = None
) -> None:
    """Take these tasks from now on, and nothing else that lies in a queue.

    Args:
        tasks: Their names, and how many arguments each has: none or one.
        folder: Where refused messages are counted.
        wakes_every_s: Those that only wake, and how often each may at most.
    """
    refusals = Refusals(refusals_file(folder))

    def refuse(where: str, reason: Reason) -> None:
        refusals.note(where, UNKNOWN, reason)

    open_intake(tasks, wakes_every_s or {}, refuse)


def send_owed(to: str) -> None:
    """Send the tasks again that were put off, and are due by now."""
    for name in take_owed():
        send(name, queue(to))
