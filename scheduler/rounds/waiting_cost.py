"""What waiting costs: reserved machines draw power while no round is held. Pure.

A round that waits for a clean hour emits less for its work, and its sites' machines wait longer.
Which of the two is more decides whether waiting or going faster emits less.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.units import emitted_gco2eq
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR
from scheduler.federation.client import Client
from scheduler.federation.closed_round import ClosedRound
from scheduler.rounds.forecast import ExpectedRound


@dataclass(frozen=True, slots=True)
class ReservedPower:
    """What the machines of all sites that are there draw while they wait, as the sites state it.

    Attributes:
        idle_w: By zone, at the wall, W.
        stated: How many sites state it.
        unstated: How many do not: theirs is unknown, and left out.
    """

    idle_w: Mapping[str, float]
    stated: int
    unstated: int

    @classmethod
    def of(cls, clients: Iterable[Client]) -> ReservedPower:
        """Return the power of those whose worker is there."""
        idle_w: dict[str, float] = defaultdict(float)
        stated = unstated = 0
        for client in clients:
            if not client.alive:
                continue
            if client.idle_w is None:
                unstated += 1
            else:
                idle_w[client.zone] += client.idle_w
                stated += 1
        return cls(dict(idle_w), stated, unstated)

    @property
    def all_w(self) -> float:
        """The power of all that state it, W."""
        return math.fsum(self.idle_w.values())

    def gco2eq_per_h(self, grid: Grid, start: datetime, end: datetime) -> float | None:
        """Return what an hour of waiting emits in the mean of a span; `None` if unknown."""
        means = {zone: grid.comparable(zone, start, end) for zone in self.idle_w}
        known = [
            emitted_gco2eq(self.idle_w[zone], mean)
            for zone, mean in means.items()
            if mean is not None
        ]
        return math.fsum(known) if len(known) == len(means) else None


@dataclass(frozen=True, slots=True)
class WaitBalance:
    """What several rounds saved by waiting, and what their sites' machines used meanwhile.

    Attributes:
        rounds: How many.
        waited_h: Grid hours in which none of them was held.
        saved_gco2eq: What their work emitted less than with every round as early as can be;
            below 0 if it emitted more, `None` if unknown.
        idle_wh: What reserved machines used in these hours, Wh.
        idle_gco2eq: Its emissions; `None` if unknown.
    """

    rounds: int
    waited_h: float
    saved_gco2eq: float | None
    idle_wh: float
    idle_gco2eq: float | None

    @property
    def faster_saves_gco2eq(self) -> float | None:
        """What going faster would have emitted less, below 0 if more; `None` if unknown."""
        if self.idle_gco2eq is None or self.saved_gco2eq is None:
            return None
        return self.idle_gco2eq - self.saved_gco2eq


def closed_balance(
    closed: Sequence[ClosedRound], reserved: ReservedPower, grid: Grid
) -> WaitBalance | None:
    """Return the balance of closed rounds, one after the other; `None` of none."""
    if not closed:
        return None
    pairs = [(r.baseline_gco2eq, r.gco2eq) for r in closed]
    held = sum((r.ended - r.started for r in closed), timedelta())
    return _balance(pairs, held, closed[0].started, closed[-1].ended, reserved=reserved, grid=grid)


def expected_balance(
    expected: Sequence[ExpectedRound], reserved: ReservedPower, grid: Grid, now: datetime
) -> WaitBalance | None:
    """Return the balance of expected rounds from now on; `None` if none is expected."""
    held = [each for each in expected if each.waiting is None and not each.running]
    if not held:
        return None
    pairs = [(each.run_now_gco2eq, each.gco2eq) for each in held]
    took = sum((each.end - max(each.start, now) for each in held), timedelta())
    return _balance(pairs, took, now, held[-1].end, reserved=reserved, grid=grid)


def _balance(
    pairs: Sequence[tuple[float | None, float | None]],
    held: timedelta,
    start: datetime,
    end: datetime,
    *,
    reserved: ReservedPower,
    grid: Grid,
) -> WaitBalance:
    """Return a balance; `pairs` are what each round would emit at once, and what it emits."""
    known = [now - then for now, then in pairs if now is not None and then is not None]
    waited_h = max(0.0, (end - start - held) / HOUR)
    per_h = reserved.gco2eq_per_h(grid, start, end)
    return WaitBalance(
        rounds=len(pairs), waited_h=waited_h,
        saved_gco2eq=math.fsum(known) if len(known) == len(pairs) else None,
        idle_wh=reserved.all_w * waited_h,
        idle_gco2eq=None if per_h is None else per_h * waited_h,
    )  # fmt: skip
