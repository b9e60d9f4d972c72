"""Processes that load data, started from a process that may have none.

A Celery worker trains in a child process that is marked as a daemon, and Python lets no daemon have
children: a `DataLoader` with `num_workers` raises there.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]


@contextmanager
def loader_processes() -> Iterator[None]:
    """Let the code inside start processes, whatever started this one.

    Both entries are those that Python looks at when a process starts another. The key is replaced
    as the class that billiard gives it cannot be handed on where processes are spawned.
    """
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    kept = {name: config[name] for name in ("daemon", "authkey") if name in config}
    if not kept.get("daemon"):
        yield
        return
    config["daemon"] = False
    config["authkey"] = AuthenticationString(kept["authkey"])
    try:
        yield
    finally:
        config.update(kept)
