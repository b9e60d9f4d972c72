"""A task's message: taken only if it is of the one kind that Fairwind sends, and written anew.

Celery's messages can do more: call back, chain, wait for a time, name other queues to answer to,
run for a limited time. A message that asks for any of it is not ours, whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.visible import visible
from tasks.wire.kombu_message import misshapen, read_outer, written
from tasks.wire.plain_json import unfit

MOST_NBYTES = 1 << 20
"""Of one message. An assignment has about 4 kB, a receipt 3 kB, advice 30 kB at most."""

MOST_ARGUMENT_NBYTES = (MOST_NBYTES - (32 << 10)) // 4 * 3
"""Of a task's argument as JSON: it travels as base64, beside headers of less than 32 KiB."""

_LONGEST_SHOWN = 500
"""Characters of what Flower shows in place of arguments."""

_LONGEST_REPR = 10_000

_ID = r"^[A-Za-z0-9_.-]{1,64}$"

Arguments = Mapping[str, int]
"""The tasks that are taken, and how many arguments each has: none or one."""


class _Headers(BaseModel):
    """What Celery writes beside a task that asks for nothing special."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    lang: Literal["py"]
    task: str
    id: str = Field(pattern=_ID)
    root_id: str | None = Field(default=None, pattern=_ID)
    parent_id: str | None = Field(default=None, pattern=_ID)
    retries: int = Field(default=0, ge=0, le=1)
    argsrepr: str | None = Field(default=None, max_length=_LONGEST_REPR)
    kwargsrepr: str | None = Field(default=None, max_length=_LONGEST_REPR)
    origin: str | None = Field(default=None, max_length=400)
    ignore_result: bool | None = None
    redelivered: bool = False
    celery_beat_task: bool = False
    replaced_task_nesting: Literal[0] = 0
    shadow: None = None
    eta: None = None
    expires: None = None
    group: None = None
    group_index: None = None
    timelimit: list[None] = Field(default=[None, None], max_length=2)
    stamped_headers: None = None
    stamps: dict[str, None] = Field(default={}, max_length=0)


def read_task(raw: bytes, queue: str, tasks: Arguments) -> dict[str, Any]:
    """Return a task's message for Celery, written anew.

    Args:
        raw: What lay in a queue.
        queue: Its name.
        tasks: What is taken here.

    Raises:
        UnfitError: If it is not taken.
    """
    outer, body = read_outer(raw, most_nbytes=MOST_NBYTES)
    name = outer.headers.get("task")
    if not isinstance(name, str) or name not in tasks:
        text = f"no task of that name is taken here: {visible(str(name)[:80])!r}"
        unfit("unknown_task", text)
    try:
        headers = _Headers.model_validate(outer.headers)
    except ValidationError as error:
        misshapen(error)
    _check_body(body, tasks[name])
    return written(
        outer.body, headers=_rewritten(headers), tag=uuid4().hex, exchange="", routing_key=queue
    )


def _rewritten(headers: _Headers) -> dict[str, Any]:
    return {
        "lang": headers.lang, "task": headers.task, "id": headers.id, "root_id": headers.id,
        "parent_id": None, "group": None, "retries": headers.retries, "eta": None,
        "expires": None, "timelimit": [None, None], "ignore_result": True,
        "argsrepr": visible((headers.argsrepr or "")[:_LONGEST_SHOWN]),
        "kwargsrepr": visible((headers.kwargsrepr or "")[:_LONGEST_SHOWN]),
        "origin": visible((headers.origin or "")[:_LONGEST_SHOWN]),
        "redelivered": headers.redelivered,
    }  # fmt: skip


def _check_body(body: object, arguments: int) -> None:
    """Check that a body holds a task's arguments and nothing that is to follow it.

    Raises:
        UnfitError: If it does not.
    """
    if not (isinstance(body, list) and len(body) == len(("args", "kwargs", "embed"))):
        unfit("malformed", "its body is not that of a task")
    args, kwargs, embed = body
    if not isinstance(args, list) or len(args) != arguments or kwargs != {}:
        unfit("malformed", f"its task takes {arguments} arguments and no names")
    if not isinstance(embed, dict) or set(embed) - _EMBEDDED:
        unfit("malformed", "its body is not that of a task")
    for what in sorted(embed):
        if embed[what] not in (None, []):
            unfit("callback", f"it asks for {what}, which no message of ours does")


_EMBEDDED = {"callbacks", "errbacks", "chain", "chord"}
