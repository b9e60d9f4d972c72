"""The queues, on the default exchange: readable keys, no bindings, nothing to declare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from celery.events import EventDispatcher
from kombu import Exchange, Queue

from common.messages import Message
from tasks.app import app
from tasks.roles import SITE_PREFIX


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
def batch() -> Iterator[Batch]:
    """Send many tasks together.

    Raises:
        KombuError: If some of it could not be sent; it is unknown which.
    """
    with app.producer_or_acquire() as producer:
        events = _Grouped(
            channel=producer.channel, app=app, buffer_group=["task"],
            buffer_limit=_TOGETHER, buffer_while_offline=False,
        )  # fmt: skip
        with producer.batch(_TOGETHER), events:
            yield Batch(producer, events)
            events.flush()


def send(
    task: str,
    to: Queue,
    message: Message | None = None,
    *,
    shown: str = "",
    through: Batch | None = None,
) -> None:
    """Put a task on a queue.

    Args:
        task: Its name.
        to: The queue.
        message: Its only argument; validated already, since it is a model.
        shown: What Flower shows in place of the arguments.
        through: What it is sent with, if not alone.
    """
    args: tuple[Any, ...] = () if message is None else (message.model_dump(mode="json"),)
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


def private_keys(conf: Any, owner: str) -> None:
    """Keep what this worker has taken but not finished under keys of its own in Redis.

    Shared keys would let one site's worker read and restore another's messages.
    """
    conf.broker_transport_options = {
        **conf.broker_transport_options,
        "unacked_key": f"fairwind:unacked:{owner}",
        "unacked_index_key": f"fairwind:unacked:{owner}:index",
        "unacked_mutex_key": f"fairwind:unacked:{owner}:mutex",
        "client_name": f"fairwind-{owner}",
    }
