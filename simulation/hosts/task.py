"""The Celery task of a worker: simulate what a conductor wants, and answer."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from common import settings
from common.envelope import COORDINATOR
from common.errors import FairwindError, SettingError, TransportError, describe
from common.log import get_logger
from common.messages import BlobRef
from common.settings import Settings
from common.units import show_bytes
from simulation.hosts.lease import Lease
from simulation.hosts.message import (
    MOST_OUTCOME_NBYTES,
    TASK,
    SimulationAnswer,
    SimulationRequest,
    answers_key,
    conductor_key,
    lease_key,
    outcome_key,
)
from simulation.inputs import inputs
from simulation.many import scenario_key
from simulation.outcome import Outcome
from simulation.run import simulate
from simulation.scenario.scenario import Scenario
from tasks.app import app
from tasks.messaging.broker import REDIS_IS_AWAY, connect
from tasks.messaging.inbox import Inbox
from tasks.messaging.transport import make_transport

_log = get_logger(__name__)

_ANSWERS_KEPT_S = 3600
_TRIES_FOR_S = 600.0
"""How long a worker tries to send an answer while Redis is away."""


@app.task(name=TASK)
def simulate_for_conductor(body: object) -> None:
    """Simulate what a message asks for, whatever it says and whatever becomes of it."""
    host = _host()
    taken = host.inbox.take(TASK, body)
    if taken is None:
        return
    request = host.inbox.read(TASK, body, taken, SimulationRequest.model_validate)
    if request is not None:
        host.answer(request)
        host.inbox.done(taken)


class SimulationHost:
    """One process of a worker.

    Attributes:
        worker: The worker's name, as its sign of life has it.
        queue: The audience of its messages.
    """

    worker = ""
    queue = ""

    def __init__(self, ours: Settings) -> None:
        folder = simulations_folder(ours)
        key = ours.coordinator_key
        known = None if key is None else {COORDINATOR: key}.get
        self.inbox = Inbox(self.queue, folder, known)
        self._settings = ours
        self._broker = connect(ours)
        self._transport = make_transport(ours)

    def answer(self, request: SimulationRequest) -> None:
        """Simulate and answer, unless nobody waits or another worker simulates it already."""
        if not self._broker.exists(conductor_key(request.conductor)):
            _log.info("simulation.not_wanted", key=request.key)
            return
        lease = Lease(
            self._broker, lease_key(request.conductor, request.key), self.worker,
            kept_s=self._settings.silent_after_s,
        )  # fmt: skip
        if not lease.take():
            _log.info("simulation.taken_elsewhere", key=request.key)
            return
        begun = time.perf_counter()
        try:
            result = self._result(request)
            self._until_sent(request, result, lease)
        finally:
            lease.stop()
        if isinstance(result, str):
            _log.warning("simulation.failed", key=request.key, reason=result)
            time.sleep(self._settings.heartbeat_s)  # others may be able to, and go first
        else:
            took_s = round(time.perf_counter() - begun, 3)
            _log.info("simulation.finished", key=request.key, took_s=took_s)

    def _result(self, request: SimulationRequest) -> bytes | str:
        """Return an outcome as JSON, or why there is none."""
        try:
            raw = self._simulated(request).to_json().encode()
            _check_size(request, raw)
        except FairwindError as error:
            return str(error)[:2000]
        except Exception as error:  # noqa: BLE001 - the conductor decides what follows
            return describe(error)[:2000]
        return raw

    def _simulated(self, request: SimulationRequest) -> Outcome:
        """Return the outcome of a scenario that is here what it is at the conductor.

        Raises:
            FairwindError: If it is not, or cannot be simulated.
        """
        try:
            scenario = Scenario.model_validate(request.scenario)
        except ValidationError as error:
            msg = f"It is no scenario ({describe(error)}), so it was not simulated."
            raise SettingError(msg) from None
        here = inputs(scenario)
        others = sorted(
            name
            for name in here.keys() | request.inputs.keys()
            if here.get(name) != request.inputs.get(name)
        )
        if others or scenario_key(scenario) != request.key:
            msg = (
                f"{', '.join(others) or 'The scenario'} of {scenario.name} is not the same here as "
                "at the study (by SHA-256), so it was not simulated. Copy the files of "
                "FAIRWIND_DATA and modules of your own from the host of the study."
            )
            raise SettingError(msg)
        return simulate(scenario)

    def _until_sent(self, request: SimulationRequest, result: bytes | str, lease: Lease) -> None:
        """Send an answer; where Redis is away too long, the conductor sends the work again."""
        give_up = time.monotonic() + _TRIES_FOR_S
        while True:
            try:
                self._send(request, result, lease)
            except (*REDIS_IS_AWAY, TransportError) as error:
                if time.monotonic() > give_up:
                    _log.warning("simulation.not_answered", key=request.key, reason=str(error))
                    return
                time.sleep(1.0)
            else:
                return

    def _send(self, request: SimulationRequest, result: bytes | str, lease: Lease) -> None:
        if not self._broker.exists(conductor_key(request.conductor)):
            return
        if isinstance(result, str):
            answer = SimulationAnswer(
                key=request.key, worker=self.worker, result="failed", reason=result
            )
        else:
            ref = self._put(request, result)
            answer = SimulationAnswer(
                key=request.key, worker=self.worker, result="done", outcome=ref
            )
        name = answers_key(request.conductor)
        lease.stop()
        with self._broker.pipeline(transaction=True) as pipe:
            pipe.rpush(name, answer.model_dump_json())
            pipe.expire(name, _ANSWERS_KEPT_S)
            pipe.delete(lease.name)
            pipe.execute()

    def _put(self, request: SimulationRequest, raw: bytes) -> BlobRef:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "outcome.json"
            path.write_bytes(raw)
            sha256 = hashlib.sha256(raw).hexdigest()
            key = outcome_key(request.conductor, request.key, sha256)
            return self._transport.put(key, path, sha256)


def _check_size(request: SimulationRequest, raw: bytes) -> None:
    if len(raw) > MOST_OUTCOME_NBYTES:
        msg = (
            f"The outcome of {request.scenario.get('name')} has {show_bytes(len(raw))}, and no "
            f"conductor takes more than {show_bytes(MOST_OUTCOME_NBYTES)}, so it was not sent. "
            "Simulate fewer rounds or clients, or without --on celery."
        )
        raise SettingError(msg)


def simulations_folder(ours: Settings) -> Path:
    """Return the folder of FAIRWIND_HOME with what this host refused and took."""
    return ours.folder / "simulations"


@cache
def _host() -> SimulationHost:
    return SimulationHost(settings.load())
