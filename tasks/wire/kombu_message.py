"""The outer form of every message, as Kombu writes it: checked, and its body decoded."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.messages import what_is_wrong
from common.visible import visible
from tasks.wire.plain_json import parse, unfit

_STRICT = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Delivery(BaseModel):
    model_config = _STRICT

    exchange: str = Field(default="", max_length=200)
    routing_key: str = Field(default="", max_length=200)


class _Properties(BaseModel):
    """Of the properties, only how the body is encoded is used: ours need no others."""

    model_config = _STRICT

    body_encoding: Literal["base64"]
    delivery_tag: str = Field(max_length=100)
    delivery_info: _Delivery
    priority: int | None = None


class Outer(BaseModel):
    """A message as Kombu writes it: what it says of its body, and the body as text."""

    model_config = _STRICT

    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: dict[str, Any] = Field(max_length=60)
    properties: _Properties


def read_outer(raw: bytes, *, most_nbytes: int) -> tuple[Outer, Any]:
    """Return a message and what its body says.

    Args:
        raw: What arrived.
        most_nbytes: So many bytes are read at most.

    Raises:
        UnfitError: If it is no message in plain JSON, uncompressed.
    """
    found = parse(raw, most_nbytes=most_nbytes)
    try:
        outer = Outer.model_validate(found)
    except ValidationError as error:
        misshapen(error)
    if "compression" in outer.headers:
        unfit("compressed", "it is compressed, which no message of ours is")
    try:
        body = base64.b64decode(outer.body, validate=True)
    except (binascii.Error, ValueError):
        unfit("malformed", "its body is no base64")
    return outer, parse(body, most_nbytes=most_nbytes)


def misshapen(error: ValidationError) -> NoReturn:
    """Refuse what has not the form of our messages.

    Raises:
        UnfitError: Always.
    """
    unfit("malformed", f"it is no message of ours ({visible(what_is_wrong(error)[:300])})")


def written(
    body: str, *, headers: dict[str, Any], tag: str, exchange: str, routing_key: str
) -> dict[str, Any]:
    """Return a message for Kombu that has nothing but what is given.

    Args:
        body: Its body in base64, of plain JSON.
        headers: Its headers.
        tag: Its delivery tag, which nobody else has given.
        exchange: Through which it came.
        routing_key: Where it was sent.
    """
    return {
        "body": body, "content-type": "application/json", "content-encoding": "utf-8",
        "headers": headers,
        "properties": {
            "body_encoding": "base64", "delivery_tag": tag, "priority": 0, "delivery_mode": 2,
            "delivery_info": {"exchange": exchange, "routing_key": routing_key},
        },
    }  # fmt: skip
