"""Which events and commands are taken, whatever is published."""

from __future__ import annotations

import base64
import json

import pytest

from tasks.wire import intake
from tasks.wire.broadcast import CONTROL, EVENTS, read_broadcast, read_reply
from tasks.wire.plain_json import UnfitError
from tests.integration.attacks.poison import POISON, encoded, message, raw

SENT = {"type": "task-sent", "hostname": "gen1@lyon", "uuid": "a-1", "timestamp": 1.5}


def published(body: object) -> bytes:
    return raw({**message(), "body": encoded(body)})


def body_of(found: dict[str, object]) -> object:
    return json.loads(base64.b64decode(str(found["body"])))


def test_of_an_event_only_what_celery_knows_is_kept():
    event = {**SENT, "args": "\x1b[2Jred", "clock": "soon", "more": {"a": 1}, "runtime": 1e300}
    found = read_broadcast(published([event]), EVENTS)
    assert body_of(found) == [{**SENT, "args": "\\x1b[2Jred"}]


@pytest.mark.parametrize(
    "body", [7, None, [1], {}, {**SENT, "type": []}, {**SENT, "uuid": {}}, {**SENT, "hostname": ""}]
)
def test_what_is_no_event_is_refused(body):
    with pytest.raises(UnfitError):
        read_broadcast(published(body), EVENTS)


def test_remote_control_may_look():
    found = read_broadcast(published({"method": "ping", "arguments": {}}), CONTROL)
    assert body_of(found)["method"] == "ping"  # type: ignore[index]


@pytest.mark.parametrize("method", ["shutdown", "pool_restart", "add_consumer", "revoke", "x"])
def test_remote_control_changes_nothing(method):
    with pytest.raises(UnfitError):
        read_broadcast(published({"method": method, "arguments": {}}), CONTROL)


def test_a_reply_goes_to_a_queue_of_replies_alone():
    reply_to = {"exchange": "", "routing_key": "client.west"}
    with pytest.raises(UnfitError):
        read_broadcast(published({"method": "ping", "reply_to": reply_to}), CONTROL)


@pytest.mark.parametrize("name", POISON)
def test_poison_that_is_published_or_replied_is_dropped(name):
    arrived = raw(POISON[name][0])
    for exchange in (EVENTS, CONTROL, "elsewhere"):
        assert intake.taken_broadcast(arrived, exchange) is None
    assert read_or_none(arrived) in (None, "reply.celery.pidbox")


def read_or_none(arrived: bytes) -> object:
    try:
        read_reply(arrived, "x.reply.celery.pidbox")
    except UnfitError:
        return None
    return "reply.celery.pidbox"
