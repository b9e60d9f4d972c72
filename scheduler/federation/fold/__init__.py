"""The fold: what each kind of event changes in the federation. Events alone change it."""

from scheduler.federation.federation import Federation
from scheduler.federation.fold import clients, grids, receipts, rounds, runs  # noqa: F401 - kinds
from scheduler.federation.fold.change import change
from scheduler.ledger.event import Event

__all__ = ["apply"]


def apply(state: Federation, event: Event) -> None:
    """Fold one event into the federation."""
    state.seq, state.head = event.seq, event.hash
    change(event.payload, event, state)
