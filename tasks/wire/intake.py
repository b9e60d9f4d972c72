"""What this process takes from its queues; all else is dropped, logged and counted.

Kombu makes its channels itself, so what they take is kept here for the process. One that serves no
queue of tasks takes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.log import get_logger
from common.messages import Reason
from common.visible import visible
from tasks.wire.broadcast import REPLIES, read_broadcast, read_reply
from tasks.wire.plain_json import UnfitError
from tasks.wire.task_message import Arguments, read_task
from tasks.wire.wakes import Wakes

_log = get_logger(__name__)

Refuse = Callable[[str, Reason], None]
"""Logs and counts what was refused: where it lay, and why."""


def _logged(where: str, reason: Reason) -> None:
    _log.warning("message.refused", task=where, code=reason.code, reason=reason.text)


@dataclass
class Intake:
    """What one process takes.

    Attributes:
        tasks: Its tasks, and how many arguments each has.
        wakes: Which of them only wake.
        refuse: What is done with what is not taken.
    """

    tasks: Arguments
    wakes: Wakes
    refuse: Refuse = _logged


_open = Intake({}, Wakes({}))


def open_intake(tasks: Arguments, every_s: Mapping[str, float], refuse: Refuse) -> None:
    """Take these tasks from now on; arguments as of `Intake` and `Wakes`."""
    global _open  # noqa: PLW0603 - of the process, see above
    _open = Intake(tasks, Wakes(every_s), refuse)


def take_owed() -> list[str]:
    """Return the names of tasks that were put off, and are due by now."""
    return _open.wakes.take_owed()


def taken(raw: bytes, queue: str) -> dict[str, Any] | None:
    """Return the message that lay in a queue; `None` if it is dropped."""
    if queue.endswith(REPLIES):
        return _guarded(queue, lambda: read_reply(raw, queue))
    found = _guarded(queue, lambda: read_task(raw, queue, _open.tasks))
    return found if found is not None and _open.wakes.passes(found["headers"]["task"]) else None


def taken_broadcast(raw: bytes, exchange: str) -> dict[str, Any] | None:
    """Return the message that was published to an exchange; `None` if it is dropped."""
    return _guarded(exchange, lambda: read_broadcast(raw, exchange))


def _guarded(where: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return read()
    except UnfitError as error:
        reason = Reason(code=error.code, text=error.text[:600])
    except Exception as error:  # noqa: BLE001 - whatever arrives ends no process
        text = f"it cannot be read ({type(error).__name__}: {visible(str(error)[:200])})"
        reason = Reason(code="unreadable", text=text)
    _open.refuse(visible(where[:80]), reason)
    return None
