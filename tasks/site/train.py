"""The task that runs at a site: train, and answer with a receipt."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import redis
import torch
from kombu.exceptions import OperationalError

from common import settings
from common.errors import TransportError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Assignment, Receipt
from models.training import warm_up
from tasks.app import app
from tasks.messaging.queues import queue, send
from tasks.messaging.transport import make_transport
from tasks.site.executor import Executor
from tasks.site.sentence import describe_answer

_log = get_logger(__name__)

_sites: dict[str, Executor] = {}


def start_site(client: str, incarnation: str) -> None:
    """Make this process ready to train for a client: torch loaded, threads fixed, site built."""
    ours = settings.load()
    yield_to_others(ours.nice)
    warm_up(ours.threads)
    if ours.gpu not in {"auto", "none"} and not torch.cuda.is_available():
        _log.warning(
            "gpu.not_usable", gpu=ours.gpu, consequence="training runs on the processor",
            remedy="check FAIRWIND_GPU, the driver and that torch was built for CUDA",
        )  # fmt: skip
    site = _sites[client] = Executor(client, incarnation, ours, make_transport(ours))
    site.warm_up()


@app.task(name="train", bind=True, pydantic=True, pydantic_strict=False)
def train(self: Any, assignment: Assignment) -> None:
    """Answer one assignment of this site's client."""
    site = _sites[assignment.client]

    def progress(epoch: int, epochs: int, loss: float) -> None:
        failpoint("site.training")
        # Training goes on while Redis is away: only the page misses something.
        with suppress(OperationalError, redis.RedisError, OSError):
            self.send_event("task-progress", result=f"epoch {epoch}/{epochs}  loss {loss:.4f}")

    try:
        receipt = site.answer(assignment, progress)
        failpoint("site.offered")
        send("accept", queue("aggregation"), receipt, shown=show(receipt))
    except (TransportError, redis.RedisError, OperationalError, OSError) as error:
        # The answer is in the outbox: it is offered again when the assignment is.
        _log.warning("receipt.not_sent", run=assignment.run, reason=str(error))
        return
    if receipt.outcome != "failed":  # the executor has logged that, with its cause
        sentence = describe_answer(receipt, assignment.intensity_gco2eq_per_kwh)
        _log.info(f"assignment.{receipt.outcome}", sentence=sentence)


def yield_to_others(nice: int) -> None:
    """Lower the priority of this process to a niceness, or leave it where it is lower already."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(now, nice))


def show(receipt: Receipt) -> str:
    """Return what Flower shows of a receipt."""
    return f"{receipt.client} {receipt.outcome} for {receipt.run}, round {receipt.round}"
