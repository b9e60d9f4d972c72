"""Brings up a federation's processes and waits until all are ready; for `up` and the demo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import redis

from common.clock_start import is_awaited
from common.command_line.screen import echo
from common.settings.names import PREFIX
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.local.federation import LocalFederation
from tasks.local.run_printer import waiting
from tasks.messaging.drivers import BEAT_SIGN, COORDINATOR_SIGNS, sign_key
from tasks.messaging.heartbeats import read_heartbeats
from tasks.monitor.starting import announced

_READY_WITHIN_S = 120.0

SiteEnv = Mapping[str, Mapping[str, str]]
"""Further environment variables of single sites, by client id."""


def enroll_all(
    ledger: FederationLedger, federation: LocalFederation, zones: Mapping[str, str]
) -> None:
    """Enrol each client that is not enrolled in its zone, with what its site has, yet.

    One of a ledger from before sites had keys gets its key: nothing of it would count without.
    """
    with ledger.transaction() as tx:
        for client, zone in zones.items():
            known = tx.state.clients.get(client)
            key, password = federation.site_key(client), federation.site_password_sha256(client)
            if (
                known is None
                or known.retired
                or (known.zone, known.key) != (zone, key)
                or password not in {None, known.redis_password_sha256}
            ):
                has = None if known is None or known.retired else known
                enrolled = ClientEnrolled(
                    zone=zone, num_examples=has.num_examples if has else None, key=key,
                    redis_password_sha256=password,
                )  # fmt: skip
                tx.append(Draft(enrolled, client=client))
                if has is not None and has.key is None:
                    echo(f"Keys      {client} had none in the ledger; enrolled again with its own")


def bring_up(
    federation: LocalFederation,
    ledger: FederationLedger,
    *,
    port: int,
    site_env: SiteEnv | None = None,
    clock_file: Path | None = None,
) -> None:
    """Start everything, and print what is started and when it is ready.

    Flower comes first, so that the page can be watched from then on.

    Args:
        federation: Its Redis runs; nothing else does.
        ledger: That of the federation; its sites are enrolled.
        port: Of Flower.
        site_env: Further environment variables of single sites, by client id.
        clock_file: What begins the grid clock, if that is held until all are ready.

    Raises:
        FairwindError: If a process ends meanwhile, or it takes too long.
    """
    federation.write_redis_users(ledger.state())
    with waiting("Starting  Celery Flower"):
        federation.start_flower(port)
        federation.wait_for(lambda: _page_answers(port), _READY_WITHIN_S, "the Rounds page")
    echo(f"Watch     http://127.0.0.1:{port}/rounds")
    sites = list(federation.zones)
    named = f"coordinator, beat{_counted(sites)}"
    home = Path(federation.env[f"{PREFIX}HOME"])
    with waiting(f"Starting  {named}"), announced(home, f"Starting: {named}."):
        federation.start_coordinator()
        federation.start_beat()
        for client in sites:
            federation.start_site(client, **(site_env or {}).get(client, {}))
        with redis.Redis.from_url(federation.redis_url) as broker:
            federation.wait_for(
                lambda: _is_up(broker, ledger, sites, clock_file), _READY_WITHIN_S,
                "coordinator and sites",
            )  # fmt: skip


def _counted(sites: list[str]) -> str:
    if not sites:
        return ""
    return f", {len(sites)} sites ({', '.join(sites)})" if len(sites) > 1 else f", site {sites[0]}"


def _is_up(
    broker: redis.Redis, ledger: FederationLedger, sites: list[str], clock_file: Path | None
) -> bool:
    """Return whether every site sends heartbeats and the coordinator does all it can."""
    drivers = (*COORDINATOR_SIGNS, BEAT_SIGN)
    if broker.exists(*map(sign_key, drivers)) < len(drivers):
        return False
    state = ledger.state()
    beats = read_heartbeats(broker, sites, keys=state.client_keys() or None)
    if len(beats) < len(sites):
        return False
    if clock_file is not None:
        return is_awaited(clock_file)
    clients = state.clients
    return all(
        clients[site].alive and clients[site].incarnation == beats[site].incarnation
        for site in sites
    )


def _page_answers(port: int) -> bool:
    """Return whether Flower serves the Rounds page on a port of this machine."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as page:
        try:
            page.request("GET", "/rounds")
            return page.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
