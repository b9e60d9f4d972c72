"""A thread that looks at a meter now and then while a task runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

_PATIENCE_S = 1.0


class Poller:
    """Calls a function every few seconds between start and stop, from a thread of its own."""

    def __init__(self, poll: Callable[[], None], period_s: float) -> None:
        """Remember what to call.

        Args:
            poll: What to call; never called again once it has raised.
            period_s: Seconds between two calls, wall clock.
        """
        self._poll = poll
        self._period_s = period_s
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    def start(self) -> None:
        """Begin; the first call comes one period from now."""
        self._error, self._done = None, threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._done,), name="energy-poller", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, and raise what a call raised.

        Raises:
            TimeoutError: If the meter has been hanging for a second.
        """
        if self._thread is None:
            return
        self._done.set()
        self._thread.join(_PATIENCE_S)
        hangs, self._thread = self._thread.is_alive(), None
        if hangs:
            msg = "the meter does not answer"
            raise TimeoutError(msg)
        if self._error is not None:
            raise self._error

    def _run(self, done: threading.Event) -> None:
        while not done.wait(self._period_s):
            try:
                self._poll()
            except Exception as error:  # noqa: BLE001 - raised where the measurement ends
                self._error = error
                return
