"""A client: who is enrolled, where, alive or silent, and what experience says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from common.messages import Reason
from common.units import J_PER_WH
from scheduler.accounting.totals import Totals
from scheduler.federation.accepted import Accepted
from scheduler.gate.gate import Gate

_SMOOTHING = 0.3
"""Weight of the newest observation in the moving averages."""

_ANSWERS = ("accepted", "declined", "evaluated")
_NO_ANSWERS = ("failed", "refused", "given_up")


@dataclass(slots=True)
class Client:
    """One participant with data.

    Attributes:
        place: How many were enrolled before it.
        num_examples: At most this many examples count; `None` if it enrolled without a limit.
        key: The public key with which its site signs; `None` if it was enrolled without one.
        redis_password_sha256: Of the password of its site's user in Redis; `None` if it has none.
        kit_key: The public half of the one-time key in its newest kit; `None` if it has no kit.
        join_before: Until when that kit's key may sign the site's own, on the wall clock.
        kit_used: Whether it has: then it signs no other one.
        revoked: Whether its key and its Redis user were made worth nothing as it left.
        paused: Whether its site's administrator paused it.
        policy: The version of its site's policy; `None` without a file that can be read.
        idle_w: What its reserved machine draws at the wall while it waits, W; `None` if its site
            does not state that.
        clock_ahead_s: How far its host's clock is ahead of the coordinator's, s; 0 if both agree.
        decline: Why its site last declined, if it also said until when; `None` otherwise.
        gate_recorded_at: When its gate was last recorded, on the grid clock.
        waiting_since: On the grid clock: when its gate closed or it last trained, if later.
        trained_at: When its last update was accepted, on the grid clock; `None` before the first.
        energy_per_update_wh, latency_s, train_s, utility: Moving averages over its accepted
            updates; `None` before the first. The energy is of an update with all of the run's local
            epochs. Latency runs from issue to acceptance; it and the time of training are in wall
            seconds.
        energy_per_example_j: The same of the energy per example trained on, in J.
        latency_variance_s2: Moving variance of the latency, `None` before the second update.
        asked: Assignments issued to it, each once.
        answered: Those it answered: with an update that counts, or by declining in time.
        unanswered: Those that failed, were refused or were given up.
        totals: The sums of its bookings.
    """

    id: str
    zone: str
    place: int = 0
    num_examples: int | None = None
    key: str | None = None
    redis_password_sha256: str | None = None
    kit_key: str | None = None
    join_before: datetime | None = None
    kit_used: bool = False
    retired: bool = False
    revoked: bool = False
    incarnation: str | None = None
    host: str | None = None
    alive: bool = False
    paused: bool = False
    policy: str | None = None
    idle_w: float | None = None
    clock_ahead_s: float = 0.0
    decline: Reason | None = None
    gate: Gate | None = None
    gate_recorded_at: datetime | None = None
    waiting_since: datetime | None = None
    trained_at: datetime | None = None
    updates: int = 0
    energy_per_update_wh: float | None = None
    energy_per_example_j: float | None = None
    latency_s: float | None = None
    latency_variance_s2: float | None = None
    train_s: float | None = None
    utility: float | None = None
    asked: int = 0
    answered: int = 0
    unanswered: int = 0
    totals: Totals = field(default_factory=Totals)

    @property
    def kit_waits(self) -> bool:
        """Whether its site has not joined with its newest kit yet."""
        return self.kit_key is not None and not self.kit_used

    @property
    def energy_wh(self) -> float:
        """Everything known to have been used for us, counted or not, Wh."""
        return self.totals.energy_wh

    @property
    def gco2eq(self) -> float:
        """Everything known to have been emitted for us, as booked, gCO2eq."""
        return self.totals.gco2eq

    @property
    def latency_spread_s(self) -> float | None:
        """Moving standard deviation of the latency, wall seconds."""
        return None if self.latency_variance_s2 is None else math.sqrt(self.latency_variance_s2)

    @property
    def reliability(self) -> float | None:
        """Share of its settled assignments that it answered, from 0 to 1; `None` before the first.

        A decline is an answer: a site that says no in time makes nobody wait.
        """
        settled = self.answered + self.unanswered
        return self.answered / settled if settled else None

    @property
    def idle_share(self) -> float | None:
        """Share of waiting hardware in all its energy, from 0 to 1; `None` if it does not say."""
        whole = self.totals.idle_wh + self.totals.energy_wh
        return self.totals.idle_wh / whole if self.totals.idle_known and whole else None

    def learn(
        self, accepted: Accepted, grid_at: datetime, *, examples: int, share: float = 1.0
    ) -> None:
        """Take one accepted update into the averages.

        Args:
            accepted: The update.
            grid_at: When it was accepted, on the grid clock.
            examples: Examples trained on, each as often as it was.
            share: Of the run's local epochs that it did, above 0.
        """
        self.updates += 1
        self.waiting_since = self.trained_at = grid_at
        whole_wh = None if accepted.energy_wh is None else accepted.energy_wh / share
        self.energy_per_update_wh = _smooth(self.energy_per_update_wh, whole_wh)
        if accepted.energy_wh is not None and examples:
            per_example_j = accepted.energy_wh * J_PER_WH / examples
            self.energy_per_example_j = _smooth(self.energy_per_example_j, per_example_j)
        self._learn_latency(accepted.latency_s)
        self.train_s = _smooth(self.train_s, accepted.timings.train_s)
        self.utility = _smooth(self.utility, accepted.utility)

    def most_held_out(self, weight_cap: int) -> int:
        """Return how many of its held-out examples count at most in a mean over sites.

        Args:
            weight_cap: How many examples count at most for any client of the run.
        """
        return weight_cap if self.num_examples is None else min(self.num_examples, weight_cap)

    def answer(self, before: str, after: str) -> None:
        """Note that an assignment's status changed: an answer is worth what it became last."""
        self.answered += (after in _ANSWERS) - (before in _ANSWERS)
        self.unanswered += (after in _NO_ANSWERS) - (before in _NO_ANSWERS)

    def _learn_latency(self, latency_s: float) -> None:
        """Follow mean and variance by Finch, "Incremental calculation of weighted mean", 2009."""
        if self.latency_s is not None:
            away = latency_s - self.latency_s
            variance = self.latency_variance_s2 or 0.0
            self.latency_variance_s2 = (1 - _SMOOTHING) * (variance + _SMOOTHING * away**2)
        self.latency_s = _smooth(self.latency_s, latency_s)


def _smooth(average: float | None, value: float | None) -> float | None:
    if value is None or average is None:
        return average if value is None else value
    return average + _SMOOTHING * (value - average)
