"""Why the planning policy chose as it did: codes and numbers, worked out when they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from scheduler.policies.planning.ground import Ground
from scheduler.policies.planning.pace import Pace
from scheduler.policies.planning.reserve import Reserve
from scheduler.policies.planning.turning import turning_points
from scheduler.policies.pool import Floats, Ints, Pool
from scheduler.policies.result import Because


def why_wait(prices: Reserve, pace: Pace) -> Because:
    """Return why a round waits: enough better hours are still to come."""
    return {"code": "better_hours_ahead"} | _hours(prices, pace)


def why_now(prices: Reserve, pace: Pace, *, overdue: int, ends: bool) -> Because:
    """Return why a round is held now; `ends` says whether the run has a last hour."""
    code = "no_slack" if ends else "no_deadline"
    if pace.has_slack:
        code = "among_best_hours"
    if overdue:
        code = "overdue"
    return {"code": code} | _hours(prices, pace) | {"overdue": float(overdue)}


def _hours(prices: Reserve, pace: Pace) -> dict[str, float | str | None]:
    """Return how the running hour stands among those ahead.

    Those who would be asked in the best hour emit then at least `saves_gco2eq` less than now, with
    all the run's epochs.
    """
    worth, best = prices.hours_gco2eq, prices.best_hour()
    return {
        "hours_ahead": float(len(worth)),
        "better_hours": float(prices.better_hours()),
        "hours_needed": pace.hours_needed,
        "best_in_h": float(best),
        "saves_gco2eq": float(worth[best] - worth[0]),
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
        waited: Above 0 for who has waited too long and is chosen whatever it emits; `(N,)`.
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
        waited: Floats,
        chosen: Ints,
    ) -> None:
        self._pool, self._ground, self._prices = pool, ground, prices
        self._shares, self._due, self._grams = shares, due, grams
        self._waited, self._chosen = waited, chosen

    @cached_property
    def _all(self) -> Mapping[str, Because]:
        rows = zip(
            self._prices.price_gco2eq.tolist(), self._ground.gco2eq(0).tolist(),
            self._grams.tolist(), self._due.tolist(), self._shares.tolist(),
            self._turning_points().tolist(), strict=True,
        )  # fmt: skip
        return {
            client: {
                "code": "price",
                "price_gco2eq": price,
                "now_gco2eq": now,
                "asked_gco2eq": asked,
                "due_updates": due,
                "share": share,
                "turns_at_gco2eq_per_kwh": None if math.isnan(turns) else turns,
            }
            for client, (price, now, asked, due, share, turns) in zip(
                self._pool.clients, rows, strict=True
            )
        }

    def _turning_points(self) -> Floats:
        """Return the intensity below which each is, or would have been, asked; `(N,)`, or NaN."""
        gains = self._prices.gain_gco2eq
        chosen = np.zeros(len(gains), bool)
        chosen[self._chosen] = True
        by_gain = self._waited == 0
        least = gains[chosen & by_gain].min(initial=np.inf)
        best = gains[~chosen].max(initial=-np.inf)
        rival = np.where(by_gain, np.where(chosen, best, least), np.inf)
        return turning_points(self._ground, self._prices, rival, chosen=chosen)

    def __getitem__(self, client: str) -> Because:
        """Return one candidate's figures; `turns_at_gco2eq_per_kwh` would have turned its lot."""
        return self._all[client]

    def __iter__(self) -> Iterator[str]:
        """Go through the candidates."""
        return iter(self._pool.clients)

    def __len__(self) -> int:
        """Return how many candidates there are."""
        return len(self._pool)
