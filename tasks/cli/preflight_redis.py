"""Preflight checks of Redis, and of the processes that leave signs of life in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import redis

from common.settings import Settings
from scheduler.federation.opening import read_ledger
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding
from tasks.messaging.broker import check_reachable
from tasks.messaging.drivers import DriverWatch, connect_once
from tasks.messaging.heartbeats import read_heartbeats


def check_redis(ours: Settings) -> Iterator[Finding]:
    """Check that Redis answers, fits, and takes writes."""
    broker = connect_once(ours)
    check_reachable(broker)
    info = broker.info()
    version = str(info["redis_version"])
    yield Finding("ok", f"Redis {version} answers.")
    if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
        yield Finding("error", f"Redis {version} is too old: Celery needs 6.2. Upgrade it.")
    if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
        yield Finding(
            "warning",
            f"Redis evicts keys when full (maxmemory-policy {info['maxmemory_policy']}), so "
            "assignments may vanish and be issued again. Set it to noeviction.",
        )
    yield from _writable(broker)


def _writable(broker: redis.Redis) -> Iterator[Finding]:
    """Write a key that expires at once: Redis may answer and yet take nothing."""
    try:
        broker.set(f"fairwind:check:{os.getpid()}", "", px=1000)
    except redis.ReadOnlyError:
        yield Finding(
            "error",
            "Redis is a read-only replica, so no task can be sent. Name its primary in "
            "FAIRWIND_REDIS_URL.",
        )
    except redis.OutOfMemoryError:
        yield Finding(
            "error",
            "Redis is full, so no task can be sent. Raise its maxmemory, or free some of it.",
        )
    except redis.ResponseError as error:
        yield Finding(
            "error", f"Redis takes no writes ({error}), so no task can be sent. Repair it first."
        )
    else:
        yield Finding("ok", "Redis takes writes.")


def check_drivers(ours: Settings) -> Iterator[Finding]:
    """Check that coordinator and beat run."""
    drivers = DriverWatch().look(ours)
    if drivers.fault:
        return  # the check of Redis reports it
    for driver in (drivers.coordinator, drivers.beat):
        if driver.is_missing:
            yield Finding("warning", driver.sentence())
        else:
            yield Finding("ok", f"{driver.name.capitalize()} is running.")


def check_workers(ours: Settings) -> Iterator[Finding]:
    """Check that each client has a worker."""
    if not (ours.folder / "ledger.sqlite").exists():
        return
    state = read_ledger(ours.ledger).state()
    clients = [client.id for client in state.enrolled()]
    alive = read_heartbeats(connect_once(ours), clients)
    silent = sorted(set(clients) - set(alive))
    yield Finding("ok", f"{len(alive)} of {len(clients)} clients' workers are alive.")
    if silent:
        yield Finding(
            "warning",
            f"No worker runs for {listed(silent, most=SHOWN_NAMES)}, so nothing is trained there. "
            f"Start at the site: celery -A tasks worker -Q client.{silent[0]}",
        )
