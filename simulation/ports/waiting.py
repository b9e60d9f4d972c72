"""What the reserved machines of a simulation use while they wait, whether or not they report it.

A receipt says how long its site waited before it. So no booking, in production or here, has the
waits of sites that are not invited again, and of those that go away meanwhile. A simulation knows
all hours of every site, and so the whole: its time there, less its time at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from common.units import emitted_gco2eq
from models.energy.idle import idle_energy_wh
from scheduler.carbon.grid import Grid
from simulation.ports.site import VirtualSite

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Idle:
    """What reserved machines used while they waited.

    Attributes:
        idle_wh: Energy at the wall, Wh.
        idle_gco2eq: Its emissions by the grids of the hours waited; `None` if unknown.
    """

    idle_wh: float = 0.0
    idle_gco2eq: float | None = 0.0


class Waiting:
    """Sums what reserved machines use while they wait, as time goes on.

    Args:
        sites: By client id; those without `idle_w` are left out.
        grid: Knows the intensities until now.
        start: Of the run.
    """

    def __init__(self, sites: Mapping[str, VirtualSite], grid: Grid, start: datetime) -> None:
        self._sites = [site for site in sites.values() if site.part.idle_w]
        self._grid = grid
        self._until = start
        self._so_far = Idle()

    def until(self, now: datetime) -> Idle:
        """Return what was used from the start to now; `now` never goes back."""
        if self._sites and now > self._until:
            self._so_far = self._added(now)
            self._until = now
        return self._so_far

    def _added(self, now: datetime) -> Idle:
        means: dict[tuple[str, Span], float | None] = {}
        idle_wh, grams = self._so_far.idle_wh, self._so_far.idle_gco2eq
        for site in self._sites:
            for span in _waits(site, self._until, now):
                waited_s = (span[1] - span[0]).total_seconds()
                used_wh = idle_energy_wh(site.part.idle_w, waited_s, pue=site.part.pue) or 0.0
                if (site.zone, span) not in means:
                    means[site.zone, span] = self._grid.comparable(site.zone, *span)
                mean = means[site.zone, span]
                known = None if grams is None or mean is None else emitted_gco2eq(used_wh, mean)
                idle_wh += used_wh
                grams = None if grams is None or known is None else grams + known
            site.worked = [span for span in site.worked if span[1] > now]
        return Idle(idle_wh, grams)


def _waits(site: VirtualSite, since: datetime, until: datetime) -> Iterator[Span]:
    """Yield when a site is there and does no work, within `[since, until]`."""
    for begin, end in site.hours.on_spans(since, until):
        yield from _without(site.worked, begin, end)


def _without(worked: Iterable[Span], begin: datetime, end: datetime) -> Iterator[Span]:
    """Yield what is left of a span without those of work, which are in order."""
    for begun, ended in worked:
        if begun >= end:
            break
        if begun > begin:
            yield begin, begun
        begin = max(begin, ended)
    if begin < end:
        yield begin, end
