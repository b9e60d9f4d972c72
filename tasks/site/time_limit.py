"""The longest time a site lets one training take."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Callable
from typing import NoReturn, TypeVar

Result = TypeVar("Result")


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


def within(limit_s: float, work: Callable[[], Result]) -> Result:
    """Do some work, and interrupt it after so many wall seconds.

    To be used in the main thread, where Python runs the handlers of signals. A function and no
    context manager: the alarm rings again and again, and between a block and the end of its context
    manager there are instructions at which it would leave the alarm running. An alarm that was set
    before is set again afterwards, with the time that it had left.

    Raises:
        TimeIsUp: From within the work, between two of Python's instructions.
    """

    def ring(*_: object) -> NoReturn:
        raise TimeIsUp

    alarm = signal.setitimer(signal.ITIMER_REAL, 0)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        faulthandler.dump_traceback_later(limit_s + _HARD_S, exit=True, file=_STDERR)
        signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
        return work()
    finally:
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                faulthandler.cancel_dump_traceback_later()
                signal.signal(signal.SIGALRM, before)
                signal.setitimer(signal.ITIMER_REAL, *alarm)
                break
            except TimeIsUp:
                continue
