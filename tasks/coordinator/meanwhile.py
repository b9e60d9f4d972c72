"""Checking bytes while they are used: what comes of them counts only once the check has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def checking(check: Callable[[], object]) -> Iterator[None]:
    """Run a check in a thread of its own while the block works.

    Hashing needs no lock of Python's, so on two cores it takes no time of its own.

    Raises:
        Exception: What the check raises, also where the block raises something else: bytes that
            are not what they should be explain whatever fails on them.
    """
    with ThreadPoolExecutor(1) as thread:
        checked = thread.submit(check)
        try:
            yield
        except Exception:
            checked.result()
            raise
        checked.result()
