"""Why the planning policy chose as it did: codes and numbers, worked out when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from scheduler.policies.answer import Because
from scheduler.policies.ground import WH_PER_KWH, Ground
from scheduler.policies.pace import Pace
from scheduler.policies.pool import Floats, Ints, Pool
from scheduler.policies.reserve import Reserve


def why_wait(prices: Reserve, pace: Pace, *, better: int) -> Because:
    """Return why a round waits: enough better hours are still to come."""
    best = prices.best_hour()
    worth = prices.hours_gco2eq
    return {
        "code": "better_hours_ahead",
        "hours_ahead": float(len(worth)),
        "better_hours": float(better),
        "hours_needed": pace.hours_needed,
        "best_in_h": float(best),
        "saves_gco2eq": float(worth[best] - worth[0]),
    }


def why_now(prices: Reserve, pace: Pace, *, better: int, overdue: int) -> Because:
    """Return why a round is held now."""
    worth = prices.hours_gco2eq
    best = prices.best_hour()
    code = "among_best_hours" if pace.has_slack else "no_slack"
    if overdue:
        code = "overdue"
    return {
        "code": code,
        "hours_ahead": float(len(worth)),
        "better_hours": float(better),
        "hours_needed": pace.hours_needed,
        "best_in_h": float(best),
        "saves_gco2eq": float(worth[best] - worth[0]),
        "overdue": float(overdue),
    }


class Notes(Mapping[str, Because]):
    """By candidate, what it costs, what it would pay, and what would have changed the choice.

    Args:
        pool: The candidates.
        ground: Their grams.
        prices: Their prices.
        shares: Of participation; `(N,)`.
        due: Updates due of each; `(N,)`.
        grams: Of the update that was, or would have been, asked of each; `(N,)`.
        chosen: Places of those invited.
    """

    def __init__(
        self,
        pool: Pool,
        ground: Ground,
        prices: Reserve,
        *,
        shares: Floats,
        due: Floats,
        grams: Floats,
        chosen: Ints,
    ) -> None:  # fmt: skip
        self._pool, self._ground, self._prices = pool, ground, prices
        self._shares, self._due, self._grams = shares, due, grams
        self._chosen = frozenset(chosen.tolist())
        self._place: dict[str, int] | None = None
        gains = prices.gain_gco2eq
        self._least_chosen = float(gains[chosen].min()) if len(chosen) else np.inf
        others = np.delete(gains, chosen)
        self._best_other = float(others.max()) if len(others) else -np.inf

    def __getitem__(self, client: str) -> Because:
        """Return one candidate's figures; `turns_at_gco2eq_per_kwh` would have turned its lot."""
        if self._place is None:
            self._place = {client: n for n, client in enumerate(self._pool.clients)}
        n = self._place[client]
        rival = self._best_other if n in self._chosen else self._least_chosen
        price = float(self._prices.price_gco2eq[n])
        turns = (price - rival) / float(self._ground.energy_wh[n]) * WH_PER_KWH
        return {
            "code": "price",
            "price_gco2eq": price,
            "now_gco2eq": float(self._ground.gco2eq(0)[n]),
            "asked_gco2eq": float(self._grams[n]),
            "due_updates": float(self._due[n]),
            "share": float(self._shares[n]),
            "turns_at_gco2eq_per_kwh": turns if np.isfinite(turns) and turns >= 0 else None,
        }

    def __iter__(self) -> Iterator[str]:
        """Go through the candidates."""
        return iter(self._pool.clients)

    def __len__(self) -> int:
        """Return how many candidates there are."""
        return len(self._pool)
