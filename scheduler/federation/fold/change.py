"""The change that one kind of event makes; each kind has a function in the modules beside this."""

from __future__ import annotations

from functools import singledispatch

from scheduler.federation.federation import Federation
from scheduler.ledger.event import Event
from scheduler.ledger.events import Payload


@singledispatch
def change(payload: Payload, event: Event, state: Federation) -> None:
    """Change the federation as one kind of event says.

    Raises:
        NotImplementedError: If there is no function for that kind.
    """
    raise NotImplementedError(event.kind)
