"""The engine's history in a simulation: a journal under the virtual clock."""

from __future__ import annotations

from collections.abc import Callable

from common.clock import VirtualClock
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.selection.verdict import Verdicts
from simulation.ports.journal import Journal


class SimulatedHistory:
    """Appends to a journal, as the only writer.

    Args:
        journal: Takes the events.
        clock: What time it is.
        on_event: Called with every draft, once it is folded.
    """

    def __init__(
        self, journal: Journal, clock: VirtualClock, on_event: Callable[[Draft], None]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._on_event = on_event

    @property
    def state(self) -> Federation:
        """The federation as of the last event."""
        return self._journal.state

    def append(self, *drafts: Draft, after: int) -> bool:  # noqa: ARG002 - the port's
        """Append drafts; there is no other writer."""
        self._journal.record(self._clock.now, *drafts)
        for draft in drafts:
            self._on_event(draft)
        return True

    def keep_verdicts(self, verdicts: Verdicts) -> str | None:
        """Keep a plan's verdicts where events can be read again."""
        return self._journal.keep_verdicts(verdicts)
