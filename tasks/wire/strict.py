"""How our tasks are taken by a worker: as Celery does, but nothing that fails there ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import celery
from celery.utils.log import get_logger as celery_logger
from celery.worker import state as worker_state
from celery.worker.strategy import default

from common.log import get_logger

_log = get_logger(__name__)


class Task(celery.Task):  # type: ignore[type-arg] # Celery's is generic in its stubs alone
    """The base of every task, those that Celery brings along included."""

    Strategy = "tasks.wire.strict:strict"


def strict(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return what takes a message for a task: Celery's own way, behind two checks.

    Messages were checked as they were read; here is the second wall. Celery's own tasks are never
    run, and no message has the id of one that is in work.
    """
    handle, is_ours = default(task, app, consumer, **options), not task.name.startswith("celery.")

    def taken(message: Any, *args: Any, **more: Any) -> Any:
        if not is_ours:
            return _dropped(message, consumer, f"{task.name} is no task of ours")
        if message.headers["id"] in worker_state.requests:
            return _dropped(message, consumer, "a task of the same id is in work")
        try:
            return handle(message, *args, **more)
        except consumer.connection_errors:
            raise
        except Exception as error:  # noqa: BLE001 - whatever arrives ends no process
            return _dropped(message, consumer, f"{type(error).__name__}: {error}")

    return taken


def _dropped(message: Any, consumer: Any, reason: str) -> None:
    _log.warning("message.dropped", reason=reason)
    message.reject_log_error(celery_logger(__name__), consumer.connection_errors)
