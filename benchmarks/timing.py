"""How long something takes."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time


def least_cpu_s(work: Callable[[], object], *, repeats: int) -> float:
    """Return the least CPU seconds that some work took in this process."""
    taken = []
    for _ in range(repeats):
        begun = process_time()
        work()
        taken.append(process_time() - begun)
    return min(taken)


def least_s(work: Callable[[], object], *, repeats: int) -> float:
    """Return the shortest time that some work took, wall seconds: the least disturbed one."""
    taken = []
    for _ in range(repeats):
        begun = perf_counter()
        work()
        taken.append(perf_counter() - begun)
    return min(taken)
