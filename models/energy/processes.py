"""The processes a task runs in: this one and everything it started, data loaders included."""

from __future__ import annotations

import os
import resource
import time

import psutil


def cpu_seconds() -> float:
    """Return the CPU seconds that this process and its descendants have used so far.

    Descendants count while they live and after they have ended, so that the difference of two
    calls is what a task used, also where workers outlive it. Lost is only what ends without its
    parent waiting for it.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    return total + sum(_used_s(child) for child in _descendants())


def pids() -> frozenset[int]:
    """Return the ids of this process and its living descendants."""
    return frozenset({os.getpid(), *(child.pid for child in _descendants())})


def _used_s(child: psutil.Process) -> float:
    try:
        times = child.cpu_times()
    except psutil.Error:  # it ended just now, and counts as ended in a moment
        return 0.0
    return sum(
        (times.user, times.system, getattr(times, "children_user", 0.0),
         getattr(times, "children_system", 0.0))
    )  # fmt: skip


def _descendants() -> list[psutil.Process]:
    try:
        # Costs a microsecond; a look through all processes of the host costs milliseconds.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []
    return psutil.Process().children(recursive=True)
