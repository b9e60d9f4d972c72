"""The longest time a site lets one training take."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class TimeIsUp(BaseException):
    """A training took longer than its site allows.

    No `Exception`, so that a workload that catches every exception does not catch this one.
    """


_HARD_S = 60.0
"""So long after the limit the process ends, should it be in code that no signal interrupts."""

_STDERR = 2
"""Where that is reported, with the place in the code; a workload may have replaced `sys.stderr`."""

_AGAIN_S = 1.0
"""Raised again this often, should a workload have caught it all the same."""


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Interrupt the block after so many wall seconds; `None` for no limit.

    To be used in the main thread, where Python runs the handlers of signals.

    Raises:
        TimeIsUp: From within the block, between two of Python's instructions.
    """
    if limit_s is None:
        yield
        return

    def ring(*_: object) -> NoReturn:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    faulthandler.dump_traceback_later(limit_s + _HARD_S, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
