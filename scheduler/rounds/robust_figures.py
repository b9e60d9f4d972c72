"""How a robust rule used a round's updates, as the ledger keeps it: by client, in permille."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.round import Round
from scheduler.ledger.events import RobustFigures


class Kept(Protocol):
    """What `models.robust` says of updates, in the order of a round's manifest."""

    @property
    def shares(self) -> Sequence[float]:
        """The weight of each, as a multiple of an equal one."""

    @property
    def rejected(self) -> Sequence[int]:
        """The places of those that took no part."""

    @property
    def capped_from(self) -> float | None:
        """The norm of the mean, if it was scaled down."""


def figures_of(round_: Round | ClosedRound, kept: Kept | None) -> RobustFigures | None:
    """Return what the ledger keeps of a committed round; `None` where no robust rule made it."""
    if kept is None:
        return None
    clients = [line.client for line in round_.manifest or ()]
    return RobustFigures(
        shares_permille={
            client: round(1000 * share) for client, share in zip(clients, kept.shares, strict=True)
        },
        rejected=tuple(clients[place] for place in kept.rejected),
        capped_from=kept.capped_from,
    )
