"""Which simulated sites come and go, reported as heartbeats report it."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from datetime import datetime

from common.messages import Heartbeat
from scheduler.federation.client import Client
from scheduler.ledger.event import Draft
from scheduler.rounds.observations import heartbeat_events
from simulation.ports.site import VirtualSite


class Availability:
    """Follows the hours of all sites. A site finishes what it has begun before it goes."""

    def __init__(self, sites: Mapping[str, VirtualSite], start: datetime) -> None:
        self._sites = sites
        self._switches: list[tuple[datetime, str]] = [(start, name) for name in sites]
        heapq.heapify(self._switches)

    @property
    def next_at(self) -> datetime | None:
        """When the availability of a site changes next; `None` if never."""
        return self._switches[0][0] if self._switches else None

    def news(self, clients: Mapping[str, Client], now: datetime) -> list[Draft]:
        """Return the sites whose availability changed until `now`."""
        changed: dict[str, Client] = {}
        beats: dict[str, Heartbeat] = {}
        while self._switches and self._switches[0][0] <= now:
            _, name = heapq.heappop(self._switches)
            site = self._sites[name]
            there = site.hours.is_on(now)
            if not there and site.is_up and site.free_at > now:
                heapq.heappush(self._switches, (site.free_at, name))
                continue
            self._follow(site, now, there=there)
            changed[name] = clients[name]
            if site.is_up:
                beats[name] = _beat(site, now)
        return heartbeat_events(changed, beats)

    def _follow(self, site: VirtualSite, now: datetime, *, there: bool) -> None:
        site.starts += there and not site.is_up
        site.is_up = there
        following = site.hours.next_switch(now)
        if following is not None:
            heapq.heappush(self._switches, (following, site.id))


def _beat(site: VirtualSite, now: datetime) -> Heartbeat:
    return Heartbeat(
        client=site.id, incarnation=site.incarnation, host="simulated", pid=0, at=now,
        idle_w=site.part.idle_w * site.part.pue or None,
    )  # fmt: skip
