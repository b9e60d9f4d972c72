"""Preflight checks of Redis, and of the processes that leave signs of life in it."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from common.clock_difference import NOTICED_S, TO_SET_IT_RIGHT, show_difference
from common.settings import Settings
from scheduler.federation.opening import read_ledger
from scheduler.status.clocks import clock_sentence
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding
from tasks.messaging.broker import check_usable, connect_once
from tasks.messaging.drivers import DriverWatch
from tasks.messaging.heartbeats import clients_with_worker, clock_ahead_s, read_heartbeats
from tasks.messaging.inbox import coordinator_signer


def check_redis(ours: Settings) -> Iterator[Finding]:
    """Check that Redis answers, fits, and takes writes."""
    with connect_once(ours) as broker:
        yield from _redis(broker)


def _redis(broker: redis.Redis) -> Iterator[Finding]:
    check_usable(broker)
    yield Finding("ok", "Redis answers and takes writes.")
    try:
        info = broker.info()
    except redis.exceptions.NoPermissionError:
        return  # a user without INFO may still be one that can do all that is needed
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
        yield Finding("error", f"Redis {version} is too old: Celery needs 6.2. Upgrade it.")
    if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
        yield Finding(
            "warning",
            f"Redis evicts keys when full (maxmemory-policy {info['maxmemory_policy']}), so "
            "assignments may vanish and be issued again. Set it to noeviction.",
        )
    ahead_s = clock_ahead_s(broker)
    if abs(ahead_s) >= NOTICED_S:
        yield Finding(
            "warning",
            f"The clock of this machine is {show_difference(ahead_s)}, compared with that of "
            "Redis's machine, so one of them is wrong, and so are its hours and deadlines. Set it "
            f"right: {TO_SET_IT_RIGHT}",
        )


def check_drivers(ours: Settings) -> Iterator[Finding]:
    """Check that coordinator and beat run."""
    drivers = DriverWatch().look(ours)
    if drivers.fault:
        return  # the check of Redis reports it
    for driver in (drivers.coordinator, drivers.beat):
        if sentence := driver.sentence():
            yield Finding("warning", sentence)
        else:
            yield Finding("ok", f"{driver.name.capitalize()} is running.")


def check_workers(ours: Settings) -> Iterator[Finding]:
    """Check that each client has a worker."""
    if not (ours.folder / "ledger.sqlite").exists() or DriverWatch().look(ours).fault:
        return  # without Redis no worker can be seen
    state = read_ledger(ours.ledger).state()
    clients = [client.id for client in state.enrolled()]
    broker = connect_once(ours)
    alive = read_heartbeats(
        broker, clients, keys=state.client_keys() if coordinator_signer(ours) else None
    )
    strangers = sorted(clients_with_worker(broker) - set(clients))
    silent = sorted(set(clients) - set(alive))
    yield Finding("ok", f"{len(alive)} of {len(clients)} clients' workers are alive.")
    if (wrong := clock_sentence(state)) is not None:
        yield Finding("warning", wrong)
    if strangers:
        yield Finding(
            "warning",
            f"A worker runs for {listed(strangers, most=SHOWN_NAMES)}, but no such client is "
            f"enrolled, so it gets no work. Enrol it: fairwind enroll {strangers[0]} --zone ZONE, "
            "or start the worker under the id of a client of `fairwind clients`.",
        )
    if silent:
        yield Finding(
            "warning",
            f"No worker runs for {listed(silent, most=SHOWN_NAMES)}, so nothing is trained there. "
            f"Start at the site: celery -A tasks worker -Q client.{silent[0]}",
        )
