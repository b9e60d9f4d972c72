"""Messages that were made to end or wedge whoever takes them, by name."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from typing import Any


def message(task: str = "accept", args: object = ({"run": "x"},), **changes: Any) -> dict[str, Any]:
    """Return a message as kombu writes it; `changes` are of its headers."""
    return {
        "body": encoded([list(args) if isinstance(args, tuple) else args, {}, dict(NOTHING)]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": task, "id": "0123-poison", "shadow": None, "eta": None,
            "expires": None, "group": None, "group_index": None, "retries": 0,
            "timelimit": [None, None], "root_id": "0123-poison", "parent_id": None,
            "argsrepr": "", "kwargsrepr": "", "origin": "gen1@nowhere", "ignore_result": True,
            "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}, **changes,
        },
        "properties": {
            "correlation_id": "0123-poison", "reply_to": "", "delivery_mode": 2, "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": "aggregation"},
            "body_encoding": "base64", "delivery_tag": "0123-tag",
        },
    }  # fmt: skip


NOTHING: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
THIEF: dict[str, Any] = {
    "task": "train", "args": [], "kwargs": {}, "options": {"queue": "client.west"},
    "subtask_type": None, "immutable": False,
}  # fmt: skip


def encoded(body: object) -> str:
    """Return a body as kombu encodes it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return base64.b64encode(raw).decode()


def embedding(**embed: Any) -> dict[str, Any]:
    """Return a message that asks for something to follow."""
    return {**message(), "body": encoded([[{}], {}, NOTHING | embed])}


def with_properties(**changes: Any) -> dict[str, Any]:
    """Return a message with other properties; `None` leaves one out."""
    found = copy.deepcopy(message())
    found["properties"].update(changes)
    found["properties"] = {
        name: value for name, value in found["properties"].items() if value is not None
    }
    return found


def without(name: str) -> dict[str, Any]:
    """Return a message that lacks a header."""
    found = message()
    del found["headers"][name]
    return found


DEEP = "[" * 100_000 + "]" * 100_000
BOMB = zlib.compress(b"[" + b"0," * 40_000_000 + b"0]", 9)

POISON: dict[str, tuple[object, str]] = {
    # --- what is no message at all
    "bytes": (b"\xff\x00 garbage", "not_json"),
    "two_bytes": (b"{]", "not_json"),
    "number": (b"1", "malformed"),
    "null": (b"null", "malformed"),
    "list": (b"[]", "malformed"),
    "empty_object": (b"{}", "malformed"),
    "deep": (DEEP.encode(), "too_deep"),
    "deep_within_the_parser": (b'{"a":' * 200 + b"1" + b"}" * 200, "too_deep"),
    "nan": (b'{"headers": NaN}', "not_json"),
    "infinite": (b'{"headers": 1e999}', "not_json"),
    "endless_integer": (b'{"headers": ' + b"9" * 5000 + b"}", "not_json"),
    "large_integer": (b'{"headers": ' + b"9" * 400 + b"}", "not_json"),
    "half_a_character": (b'{"headers": "\\ud800"}', "not_json"),
    "two_megabytes": (b" " * (2 << 20) + b"{}", "too_large"),
    "typed": (b'{"headers": {"__type__": "uuid", "__value__": 7}}', "typed_json"),
    # --- its form
    "no_headers": ({**message(), "headers": None}, "malformed"),
    "headers_as_list": ({**message(), "headers": []}, "malformed"),
    "no_properties": ({**message(), "properties": None}, "malformed"),
    "no_delivery_tag": (with_properties(delivery_tag=None), "malformed"),
    "delivery_tag_as_object": (with_properties(delivery_tag={"a": 1}), "malformed"),
    "delivery_tag_as_list": (with_properties(delivery_tag=[[]]), "malformed"),
    "delivery_info_as_text": (with_properties(delivery_info="here"), "malformed"),
    "no_delivery_info": (with_properties(delivery_info=None), "malformed"),
    "body_not_encoded": (with_properties(body_encoding=None), "malformed"),
    "other_body_encoding": (with_properties(body_encoding="rot13"), "malformed"),
    "body_no_base64": ({**message(), "body": "%%%%"}, "malformed"),
    "body_as_number": ({**message(), "body": 7}, "malformed"),
    "pickled": (
        {**message(), "content-type": "application/x-python-serialize", "body": "gASVAAAA"},
        "malformed",
    ),
    "yaml": ({**message(), "content-type": "application/x-yaml"}, "malformed"),
    "utf_16": ({**message(), "content-encoding": "utf-16"}, "malformed"),
    "compression_bomb": (
        {**message(compression="application/x-gzip"), "body": encoded(BOMB)},
        "compressed",
    ),
    # --- its body
    "deep_body": ({**message(), "body": encoded(DEEP.encode())}, "too_deep"),
    "body_of_old": ({**message(), "body": encoded({"task": "tick", "args": []})}, "malformed"),
    "typed_argument": (
        message(args=({"__type__": "datetime", "__value__": "no"},)),
        "typed_json",
    ),
    "two_arguments": (message(args=({}, {})), "malformed"),
    "no_arguments": (message(args=()), "malformed"),
    "callbacks": (embedding(callbacks=[THIEF]), "callback"),
    "errbacks": (embedding(errbacks=[THIEF]), "callback"),
    "chain": (embedding(chain=[THIEF]), "callback"),
    "chord": (embedding(chord=THIEF), "callback"),
    # --- its headers
    "no_id": (without("id"), "malformed"),
    "id_as_list": (message(id=[]), "malformed"),
    "long_id": (message(id="a" * 100_000), "malformed"),
    "retries_as_text": (message(retries="many"), "malformed"),
    "negative_retries": (message(retries=-5), "malformed"),
    "eta_as_list": (message(eta=[1]), "malformed"),
    "eta": (message(eta="2040-01-01T00:00:00+00:00"), "malformed"),
    "expires_as_object": (message(expires={}), "malformed"),
    "expires": (message(expires="9999-12-31T23:59:59.999999-23:59"), "malformed"),
    "timelimit_as_number": (message(timelimit=7), "malformed"),
    "timelimit": (message(timelimit=[0.001, 0.001]), "malformed"),
    "group": (message(group="g"), "malformed"),
    "shadow": (message(shadow="train"), "malformed"),
    "stamps": (message(stamps={"a": [1]}, stamped_headers=["a"]), "malformed"),
    "unknown_header": (message(chord={"task": "train"}), "malformed"),
    "huge_argsrepr": (message(argsrepr="a" * 500_000), "malformed"),
    "argsrepr_as_object": (message(argsrepr={"a": 1}), "malformed"),
    # --- its task
    "no_task": (without("task"), "unknown_task"),
    "task_as_list": (message(task=[]), "unknown_task"),  # type: ignore[arg-type]
    "unknown_task": (message("launch"), "unknown_task"),
    "escapes_in_its_name": (message("\x1b[2J\x1b]0;owned\x07"), "unknown_task"),
    "chord_unlock": (message("celery.chord_unlock"), "unknown_task"),
    "backend_cleanup": (message("celery.backend_cleanup", args=()), "unknown_task"),
    "chunks": (message("celery.chunks"), "unknown_task"),
    "map": (message("celery.map"), "unknown_task"),
}
"""What is put on a queue, and as what it is refused."""


def raw(poison: object) -> bytes:
    """Return a message as bytes."""
    return poison if isinstance(poison, bytes) else json.dumps(poison).encode()
