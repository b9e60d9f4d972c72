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
    """Let the code inside start processes, whatever started this one; end them where it fails.

    Code that is interrupted while it starts processes has no iterator yet that would end them.
    """
    before = set(multiprocessing.active_children())
    with _no_daemon():
        try:
            yield
        except BaseException:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
                child.join(_ENDS_WITHIN_S)
            raise


_ENDS_WITHIN_S = 5.0
"""How long a process that is ended is waited for."""


@contextmanager
def _no_daemon() -> Iterator[None]:
    """Take the mark of a daemon off this process for the block.

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
