"""The queues, on the default exchange: readable keys, no bindings, nothing to declare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from celery.events import EventDispatcher
from kombu import Connection, Exchange, Queue

from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.errors import SettingError
from common.message import Message
from common.settings.redis_address import RedisAddress, tls_options
from common.units import show_bytes
from tasks.app import app
from tasks.roles import SIMULATIONS_PREFIX, SITE_PREFIX
from tasks.wire.task_message import MOST_ARGUMENT_NBYTES

_NOTHING = About()


@cache
def queue(name: str) -> Queue:
    """Return the queue of that name."""
    return Queue(name, exchange=Exchange(""), routing_key=name)


def client_queue(client: str) -> Queue:
    """Return the one queue from which a client's worker takes its assignments."""
    return queue(SITE_PREFIX + client)


_TOGETHER = 1000
"""Messages that go out at once."""


class Batch(NamedTuple):
    """What many tasks are sent through together: a producer of messages, and one of events."""

    producer: Any
    events: Any


class _Grouped(EventDispatcher):
    """Reports many sent tasks to Flower in one message, as workers report their finished ones."""

    def publish(self, type: str, fields: dict[str, Any], *_: Any, **__: Any) -> None:  # noqa: A002 - Celery's name
        """Keep an event until there are many."""
        self.send(type, **fields)


@contextmanager
def batch(url: RedisAddress | None = None) -> Iterator[Batch]:
    """Send many tasks together.

    Args:
        url: Another broker than that of this process's settings.

    Raises:
        KombuError: If some of it could not be sent; it is unknown which.
    """
    with app.producer_or_acquire() if url is None else _producer_at(url) as producer:
        events = _Grouped(
            channel=producer.channel, app=app, buffer_group=["task"],
            buffer_limit=_TOGETHER, buffer_while_offline=False,
        )  # fmt: skip
        with producer.batch(_TOGETHER), events:
            yield Batch(producer, events)
            events.flush()


@contextmanager
def _producer_at(url: RedisAddress) -> Iterator[Any]:
    options = app.conf.broker_transport_options
    connection = Connection(url, ssl=tls_options(url) or False, transport_options=options)
    with connection, app.amqp.Producer(connection) as producer:
        yield producer


def send(
    task: str,
    to: Queue,
    message: Message | None = None,
    *,
    shown: str = "",
    through: Batch | None = None,
    signer: Signer | None = None,
    about: About = _NOTHING,
) -> None:
    """Put a task on a queue.

    Args:
        task: Its name.
        to: The queue.
        message: Its only argument; validated already, since it is a model.
        shown: What Flower shows in place of the arguments.
        through: What it is sent with, if not alone.
        signer: Who signs the message; `None` where messages are not signed.
        about: The work it is about, for its envelope.

    Raises:
        SettingError: If it is larger than its receiver takes.
    """
    if message is not None and signer is not None:
        message = signer.seal(task, audience_of(to), message, about=about, now=wall_now())
    args: tuple[Any, ...] = () if message is None else (message.model_dump(mode="json"),)
    _put(task, to, args, shown=shown, through=through)


def send_again(task: str, to: Queue, body: object, *, shown: str) -> None:
    """Put a message that was taken from a queue on one again, as it was."""
    _put(task, to, (body,), shown=shown)


def audience_of(to: Queue) -> str:
    """Return who takes what is on a queue, as envelopes name them."""
    return to.name if to.name.startswith((SITE_PREFIX, SIMULATIONS_PREFIX)) else COORDINATOR


def _check_size(task: str, args: tuple[Any, ...]) -> None:
    """Check that a message is no larger than its receiver takes, which would drop it each time.

    Raises:
        SettingError: If it is.
    """
    nbytes = len(json.dumps(args))
    if nbytes > MOST_ARGUMENT_NBYTES:
        msg = (
            f"The message {task} has {show_bytes(nbytes)}, and no receiver takes more than "
            f"{show_bytes(MOST_ARGUMENT_NBYTES)}, so it was not sent. Use fewer or shorter options."
        )
        raise SettingError(msg)


def _put(
    task: str, to: Queue, args: tuple[Any, ...], *, shown: str, through: Batch | None = None
) -> None:
    _check_size(task, args)
    together = (
        {}
        if through is None
        else {
            "producer": through.producer,
            "event_dispatcher": through.events,
            "declare": [],  # a list in Redis needs none, and each declaration costs a round trip
        }
    )
    app.send_task(task, args=args, queue=to, argsrepr=shown or None, kwargsrepr="", **together)  # type: ignore[arg-type] # a Queue is taken, too


def name_connections(conf: Any, queues: Sequence[str]) -> None:
    """Name a worker's connections to Redis after the queues that it serves."""
    conf.broker_transport_options = {
        **conf.broker_transport_options,
        "client_name": f"fairwind-{','.join(queues)}",
    }
