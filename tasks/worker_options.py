"""What the start of every worker of ours has in common, whatever its role."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from celery.concurrency import get_implementation
from celery.concurrency.prefork import TaskPool as PreforkPool

from common.errors import FairwindError, SettingError
from tasks.app import refuse
from tasks.messaging.broker import broker_error

_SEEN_EVERY_S = 30
"""Flower calls a worker offline after twice as long without an event."""


def quieten(instance: Any) -> None:
    """Let a worker exchange nothing with the others, and be seen by Flower twice a minute.

    Gossip would make each worker read the events of all others, and Celery's heartbeat would be
    sent every two seconds: in an idle federation that is most of the work. Which worker is alive
    follows from our own heartbeats.
    """
    quiet = {"without_gossip": True, "without_mingle": True, "heartbeat_interval": _SEEN_EVERY_S}
    instance.prepare_args = lambda **options: {**options, **quiet}


@contextmanager
def ending_if_unfit() -> Iterator[None]:
    """End this process with one line if the block, which makes it a worker, raises."""
    try:
        yield
    except FairwindError as error:
        refuse(error)
    except redis.RedisError as error:
        refuse(broker_error(error))
    except OSError as error:
        refuse(FairwindError(_not_kept(error)))
    except Exception:  # noqa: BLE001
        # Celery would swallow it and start a worker without tasks.
        traceback.print_exc()
        raise SystemExit(1) from None


def _not_kept(error: OSError) -> str:
    return (
        f"{error.strerror or error}: {error.filename or 'a file'}, so this worker was not started. "
        "Free or repair it, or set FAIRWIND_HOME to another folder."
    )


def queue_names(queues: Any) -> list[str]:
    """Return the queues that the option ``-Q`` names."""
    if isinstance(queues, str):
        queues = queues.split(",")
    return [str(name) for name in queues or ()]


def check_options(options: dict[str, Any], conf: Any, *, is_site: bool) -> None:
    """Refuse options under which a worker would stand there and do nothing, or too much at once.

    Args:
        options: Of ``celery worker``, as it was started.
        conf: Celery's settings, which count where an option is not given.
        is_site: Whether it is to serve a client.

    Raises:
        SettingError: If there are any.
    """
    pool = get_implementation(options.get("pool") or options.get("pool_cls") or conf.worker_pool)
    if not issubclass(pool, PreforkPool):
        raise SettingError(_unfit(f"--pool {pool.__module__.rpartition('.')[2]}", _NEEDS_A_CHILD))
    if options.get("exclude_queues"):
        raise SettingError(_unfit("--exclude-queues", "it would serve no queue"))
    if not is_site:
        return
    if options.get("concurrency") not in {None, 1}:
        raise SettingError(_unfit(f"--concurrency {options['concurrency']}", _ONE_AT_A_TIME))
    if options.get("autoscale"):
        raise SettingError(_unfit("--autoscale", _ONE_AT_A_TIME))


_NEEDS_A_CHILD = "its tasks need a process of their own, as only the pool prefork has"
_ONE_AT_A_TIME = "a site works on one assignment at a time"


def _unfit(option: str, why: str) -> str:
    return (
        f"No worker of Fairwind works with {option}: {why}. So it was not started. "
        f"Leave out {option.partition(' ')[0]}."
    )
