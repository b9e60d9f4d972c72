"""The queues, on the default exchange: readable keys, no bindings, nothing to declare."""

from __future__ import annotations

from functools import cache
from typing import Any

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


def send(task: str, to: Queue, message: Message | None = None, *, shown: str = "") -> None:
    """Put a task on a queue.

    Args:
        task: Its name.
        to: The queue.
        message: Its only argument; validated already, since it is a model.
        shown: What Flower shows in place of the arguments.
    """
    args: tuple[Any, ...] = () if message is None else (message.model_dump(mode="json"),)
    app.send_task(task, args=args, queue=to, argsrepr=shown or None, kwargsrepr="")  # type: ignore[arg-type] # a Queue is taken, too


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
