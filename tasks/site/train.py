"""The task that runs at a site: train, and answer with a receipt."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from common import settings
from common.errors import PlaceTakenError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Assignment, Receipt
from common.settings import Settings
from models.device import CPU, Device, choose_device, make_deterministic
from models.energy.nvml import has_driver
from models.training import warm_up
from tasks.app import app
from tasks.messaging.broker import connect
from tasks.messaging.heartbeats import check_place, own_key
from tasks.messaging.inbox import Taken
from tasks.messaging.queues import queue, send
from tasks.messaging.transport import SITE_PATIENCE_S, make_transport
from tasks.site.executor import Executor
from tasks.site.post import about_answer, open_post, post
from tasks.site.sentence import describe_answer

_log = get_logger(__name__)

_sites: dict[str, Executor] = {}


def start_site(client: str, incarnation: str) -> None:
    """Make this process ready to train for a client: torch loaded, threads fixed, site built.

    Raises:
        FairwindError: If it could not train anything.
    """
    ours = settings.load()
    yield_to_others(ours.nice)
    warm_up(ours.threads)
    device = choose_device(ours.device)
    make_deterministic(device.torch)
    _report(device, ours)
    transport = make_transport(ours, patience_s=SITE_PATIENCE_S)
    broker, key = connect(ours), own_key(open_post(ours, client).signer)
    site = _sites[client] = Executor(
        client, incarnation, ours, transport, device=device,
        check_place=lambda: check_place(broker, client, incarnation, key=key),
    )  # fmt: skip
    site.warm_up()


def _report(device: Device, ours: Settings) -> None:
    """Log which GPU is used, or why none is where one is expected."""
    if device != CPU:
        _log.info(
            "device.chosen", device=str(device.torch), name=device.name,
            cannot_train_in=sorted(device.unfit),
        )  # fmt: skip
        return
    expected = has_driver() if ours.gpu == "auto" else ours.gpu != "none"
    if ours.device == "auto" and expected:
        _log.warning(
            "gpu.not_usable", gpu=ours.gpu, consequence="training runs on the processor",
            remedy="check FAIRWIND_GPU, the driver and that torch was built for CUDA",
        )  # fmt: skip


@app.task(name="train", bind=True)
def train(self: Any, body: object) -> None:
    """Answer one assignment of this site's client, whatever it says and whatever becomes of it."""
    (site,) = _sites.values()

    def progress(epoch: int, epochs: int, loss: float | None) -> None:
        failpoint("site.training")
        shown = "" if loss is None else f"  loss {loss:.4f}"
        # Training goes on while Redis is away: only the page misses something.
        with suppress(OperationalError, redis.RedisError, OSError):
            self.send_event("task-progress", result=f"epoch {epoch}/{epochs}{shown}")

    taken = post().inbox.take("train", body)
    if taken is None:
        return
    try:
        assignment = Assignment.model_validate(taken.payload)
    except ValidationError as error:
        refusal = site.not_understood(taken.payload, error)
        if refusal is not None:
            _send(site, taken, lambda: refusal)
        return
    receipt = _send(site, taken, lambda: site.answer(assignment, progress, taken.header))
    if receipt is not None and receipt.outcome != "failed":  # the executor has logged a failure
        sentence = describe_answer(receipt, assignment.intensity_gco2eq_per_kwh)
        _log.info(f"assignment.{receipt.outcome}", sentence=sentence)


def _send(site: Executor, taken: Taken, answer: Callable[[], Receipt]) -> Receipt | None:
    """Send what an assignment is answered with; `None` if Redis takes nothing now."""
    try:
        receipt = answer()
        failpoint("site.offered")
        site.check_place()
        ours, about = post(), about_answer(taken, receipt)
        send(
            "accept", queue("aggregation"), receipt, shown=show(receipt), signer=ours.signer,
            about=about,
        )  # fmt: skip
        ours.inbox.done(taken)
    except (redis.RedisError, OperationalError, OSError) as error:
        # The answer is in the outbox: it is offered again when the assignment is.
        _log.warning("receipt.not_sent", reason=str(error))
        return None
    except PlaceTakenError as error:
        _log.warning("assignment.dropped", reason=str(error))
        return None
    return receipt


def yield_to_others(nice: int) -> None:
    """Lower the priority of this process to a niceness, or leave it where it is lower already."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(now, nice))


def show(receipt: Receipt) -> str:
    """Return what Flower shows of a receipt."""
    return f"{receipt.client} {receipt.outcome} for {receipt.run}, round {receipt.round}"
