"""What goes to all who listen: the events that Flower shows, and Celery's remote control.

Anybody who reaches Redis may publish. Events are shown and counted, never acted on; of each, what
Celery knows is kept, and no more. Of remote control, only looking is taken.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from common.visible import visible
from tasks.wire.kombu_message import read_outer, written
from tasks.wire.plain_json import unfit

MOST_NBYTES = 4 << 20
"""Of one broadcast: a thousand events of sent tasks together have about 1 MB."""

EVENTS = "celeryev"
CONTROL = "celery.pidbox"
REPLIES = ".reply.celery.pidbox"
"""How the names of the queues end in which replies of workers wait."""

MOST_HOSTS = 1000
"""Names of processes whose events are taken: each costs the listener memory for ever."""

_MOST_EVENTS = 2000
_LONGEST = 500

_EVENT = re.compile(r"(task|worker)-[a-z]{1,20}")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NODE = re.compile(r"[A-Za-z0-9_.@:-]{1,200}")

_TEXTS = (
    "name", "args", "kwargs", "result", "exception", "traceback", "eta", "expires", "queue",
    "exchange", "routing_key", "sw_ident", "sw_ver", "sw_sys",
)  # fmt: skip
_IDS = ("uuid", "root_id", "parent_id")
_NUMBERS = (
    "timestamp", "utcoffset", "runtime", "retries", "clock", "pid", "freq", "active", "processed",
)  # fmt: skip
_MOST_NUMBER = 2**53

_LOOKS = frozenset(
    {
        "ping", "stats", "active", "active_queues", "registered", "reserved", "scheduled",
        "revoked", "conf", "report", "query_task", "clock", "enable_events",
    }
)  # fmt: skip
"""Commands of Celery's remote control that change nothing."""

_hosts: set[str] = set()


def read_broadcast(raw: bytes, exchange: str) -> dict[str, Any]:
    """Return what was published to an exchange for Kombu, written anew.

    Raises:
        UnfitError: If it is not taken.
    """
    readers: dict[str, Callable[[object], Any]] = {EVENTS: _events, CONTROL: _look}
    if exchange not in readers:
        unfit("unknown_channel", f"nobody listens to {visible(exchange[:80])!r}")
    outer, body = read_outer(raw, most_nbytes=MOST_NBYTES)
    delivery = outer.properties.delivery_info
    return _written(readers[exchange](body), exchange, delivery.routing_key, headers={})


def read_reply(raw: bytes, queue: str) -> dict[str, Any]:
    """Return a worker's reply to an inspection for Kombu, written anew.

    Raises:
        UnfitError: If it is none.
    """
    outer, body = read_outer(raw, most_nbytes=MOST_NBYTES)
    if not isinstance(body, dict) or not all(isinstance(each, str) for each in body):
        unfit("malformed", "it is no reply of a worker")
    ticket = outer.headers.get("ticket")
    headers = {"ticket": ticket} if _is_id(ticket) else {}
    return _written(body, "reply.celery.pidbox", queue, headers=headers)


def _written(
    body: object, exchange: str, routing_key: str, *, headers: dict[str, Any]
) -> dict[str, Any]:
    text = base64.b64encode(json.dumps(body).encode()).decode()
    return written(
        text, headers={**headers, "clock": None}, tag=uuid4().hex, exchange=exchange,
        routing_key=visible(routing_key[:200]),
    )  # fmt: skip


def _events(body: object) -> list[dict[str, Any]]:
    """Return the events of a broadcast, each without what Celery does not know.

    Raises:
        UnfitError: If one of them is none.
    """
    events = body if isinstance(body, list) else [body]
    if len(events) > _MOST_EVENTS:
        unfit("too_large", f"it holds {len(events)} events")
    return [_event(event) for event in events]


def _event(event: object) -> dict[str, Any]:
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(kind, str) or not _EVENT.fullmatch(kind):
        unfit("malformed", "it holds what is no event of a task or a worker")
    texts = {n: visible(event[n][:_LONGEST]) for n in _TEXTS if isinstance(event.get(n), str)}
    kept = {
        "type": kind, "hostname": _host(event.get("hostname")), **texts,
        **{name: event[name] for name in _IDS if _is_id(event.get(name))},
        **{name: event[name] for name in _NUMBERS if _is_number(event.get(name))},
    }  # fmt: skip
    if "timestamp" not in kept or (kind.startswith("task-") and "uuid" not in kept):
        unfit("malformed", "it holds an event without a time, or of a task without an id")
    load = event.get("loadavg")
    if isinstance(load, list) and len(load) == 3 and all(map(_is_number, load)):  # noqa: PLR2004 - of 1, 5 and 15 minutes
        kept["loadavg"] = load
    return kept


def _host(name: object) -> str:
    if not isinstance(name, str) or not _NODE.fullmatch(name):
        unfit("malformed", "it holds an event of a process without a name")
    if name not in _hosts and len(_hosts) >= MOST_HOSTS:
        unfit("too_many", f"more than {MOST_HOSTS} processes sent events")
    _hosts.add(name)
    return name


def _look(body: object) -> dict[str, Any]:
    """Return a command of remote control that only looks.

    Raises:
        UnfitError: If it is another, or none.
    """
    method = body.get("method") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(method, str):
        unfit("malformed", "it is no command of remote control")
    if method not in _LOOKS:
        text = f"{visible(method[:40])!r} changes a worker, which no message may"
        unfit("remote_control", text)
    arguments, reply_to = body.get("arguments"), body.get("reply_to")
    return {
        "method": method, "pattern": None, "matcher": None,
        "arguments": arguments if isinstance(arguments, dict) else {},
        "destination": _nodes(body.get("destination")),
        "ticket": body["ticket"] if _is_id(body.get("ticket")) else None,
        "reply_to": _reply_to(reply_to) if reply_to else None,
    }  # fmt: skip


def _nodes(destination: object) -> list[str] | None:
    if not destination:
        return None
    if not isinstance(destination, list) or not all(
        isinstance(each, str) and _NODE.fullmatch(each) for each in destination[:MOST_HOSTS]
    ):
        unfit("malformed", "it names no workers")
    return destination[:MOST_HOSTS]


def _reply_to(address: object) -> dict[str, str]:
    """Return where a reply goes: a queue of replies, so that no other is written to.

    Raises:
        UnfitError: If it is not one.
    """
    key = address.get("routing_key") if isinstance(address, dict) else None
    exchange = address.get("exchange") if isinstance(address, dict) else None
    if not _is_id(key) or exchange != "reply.celery.pidbox":
        unfit("malformed", "its reply would go to what is no queue of replies")
    return {"exchange": str(exchange), "routing_key": str(key)}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < _MOST_NUMBER
