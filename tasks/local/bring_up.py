"""Brings up a federation's processes and waits until all are ready; for `up` and the demo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

import redis

from scheduler.federation.opening import FederationLedger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.local.federation import LocalFederation
from tasks.messaging.heartbeats import read_heartbeats

READY_WITHIN_S = 120.0


def enroll_all(ledger: FederationLedger, zones: Mapping[str, str]) -> None:
    """Enrol each client that is not enrolled in its zone yet."""
    with ledger.transaction() as tx:
        for client, zone in zones.items():
            known = tx.state.clients.get(client)
            if known is None or known.retired or known.zone != zone:
                tx.append(Draft(ClientEnrolled(zone=zone), client=client))


def start_all(federation: LocalFederation, *, port: int, site_env: SiteEnv | None = None) -> None:
    """Start Flower first, so that the page can be watched, then all others."""
    federation.start_flower(port)
    federation.wait_for(lambda: page_answers(port), READY_WITHIN_S, "the Rounds page")
    federation.start_coordinator()
    federation.start_beat()
    for client in federation.zones:
        federation.start_site(client, **(site_env or {}).get(client, {}))


def await_ready(federation: LocalFederation, ledger: FederationLedger) -> None:
    """Wait until every site sends heartbeats and the coordinator has recorded each of them.

    Raises:
        FairwindError: If a process ends meanwhile, or that takes too long.
    """
    sites = list(federation.zones)
    with redis.Redis.from_url(federation.redis_url) as broker:

        def ready() -> bool:
            beats, clients = read_heartbeats(broker, sites), ledger.state().clients
            return all(
                site in beats
                and clients[site].alive
                and clients[site].incarnation == beats[site].incarnation
                for site in sites
            )

        federation.wait_for(ready, READY_WITHIN_S, "coordinator and sites")


def page_answers(port: int) -> bool:
    """Return whether Flower serves the Rounds page on a port of this machine."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as page:
        try:
            page.request("GET", "/rounds")
            return page.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


SiteEnv = Mapping[str, Mapping[str, str]]
"""Further environment variables of single sites, by client id."""
