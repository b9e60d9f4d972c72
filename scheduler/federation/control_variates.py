"""The control variates of a run with SCAFFOLD, as the names of their blobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Self

from scheduler.federation.closed_round import ClosedRound


@dataclass(frozen=True, slots=True)
class ControlVariates:
    """What corrects the clients' gradients; see `models.algorithms.scaffold`.

    Attributes:
        server: c, the mean over all clients; `None` is 0.
        clients: c_i of each client of which an update counted; that of others is 0.
        superseded: Those that the last round has replaced.
    """

    server: str | None = None
    clients: dict[str, str] = field(default_factory=dict)
    superseded: tuple[str, ...] = ()

    def besides(self, names: Collection[str]) -> dict[str, str]:
        """Return those of all clients but some, in the order of their ids."""
        return {c: name for c, name in sorted(self.clients.items()) if c not in names}

    def names(self) -> frozenset[str]:
        """Return the names of all that are in use."""
        return frozenset({*self.clients.values(), *([self.server] if self.server else [])})

    def after(self, closed: ClosedRound) -> Self:
        """Return them once a round has closed."""
        if closed.server_control is None:
            return self
        left = closed.controls.left if closed.controls else ()
        clients = self.besides(left) | closed.client_controls
        made = type(self)(closed.server_control, clients)
        return replace(made, superseded=tuple(sorted(self.names() - made.names())))
