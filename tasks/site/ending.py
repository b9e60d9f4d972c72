"""How a site's worker that already runs ends: with one line and status 2, leaving what is in work.

The parent ends it; the child, which cannot, leaves the line in a pipe that the parent watches.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, NoReturn

from celery.worker import state as worker_state

_STATUS = 2
_LONGEST = 4096
"""Bytes of the line; a pipe takes so many at once."""


class Ending:
    """The end of one worker, once something shows that it cannot serve its site.

    Args:
        worker: Celery's worker, which is made but does not run yet.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    def end(self, text: str) -> None:
        """End the worker from its own process, as its event loop goes round next."""
        sys.stderr.write(f"fairwind: {text}\n")
        self._worker.exitcode = _STATUS
        worker_state.should_terminate = _STATUS  # type: ignore[assignment] # a status, as Celery has it

    def end_from_child(self, text: str) -> NoReturn:
        """Let the parent end the worker, and do nothing until then."""
        os.write(self._write, text.encode()[:_LONGEST])
        while True:
            time.sleep(1)

    def watch(self, hub: Any) -> None:
        """End the worker when its child says so."""
        hub.add_reader(self._read, self._end_as_said)

    def _end_as_said(self) -> None:
        self.end(os.read(self._read, _LONGEST).decode(errors="replace"))
