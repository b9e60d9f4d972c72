"""The conductor: sends simulations to workers, takes their outcomes, and loses none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import redis
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from common import settings
from common.errors import FederationError, TransportError, describe
from common.log import get_logger
from common.settings import Settings
from common.units import show_bytes
from simulation.hosts.broker_view import BrokerView
from simulation.hosts.identity import host_identity
from simulation.hosts.message import (
    MOST_OUTCOME_NBYTES,
    TASK,
    SimulationAnswer,
    SimulationRequest,
    outcome_key,
)
from simulation.hosts.open_work import OpenWork
from simulation.hosts.workers_seen import WorkersSeen
from simulation.inputs import inputs, portable
from simulation.many import Simulated
from simulation.outcome import Outcome
from simulation.scenario.scenario import Scenario
from tasks.messaging.broker import REDIS_IS_AWAY, check_usable, connect
from tasks.messaging.inbox import coordinator_signer
from tasks.messaging.queues import batch, send
from tasks.messaging.transport import fetch, forget, make_transport

_log = get_logger(__name__)

_AHEAD = 2
"""Simulations on their way for each process: the next one waits on the queue already."""

_AWAY = (*REDIS_IS_AWAY, OperationalError)
_AGAIN_S = 1.0

Say = Callable[[str], None]
"""Shows a sentence to who waits."""


@dataclass(frozen=True)
class _Study:
    """What one call of a conductor works on."""

    scenarios: Mapping[str, Scenario]
    work: OpenWork
    workers: WorkersSeen
    view: BrokerView


class Conductor:
    """Simulates on the workers of any hosts. It is a `Runner`.

    Args:
        ours: Where Redis is, and how often to look.
        say: Receives what a person should know: which workers there are, and what failed.

    Attributes:
        most_processes: How many simulations ran at once, at most.
    """

    def __init__(self, ours: Settings, *, say: Say) -> None:
        self._settings = ours
        self._say = say
        self.most_processes = 0
        self._signer = coordinator_signer(ours)
        own_key = None if self._signer is None else self._signer.identity.public.text
        self._identity = host_identity(own_key)
        self._queue = self._identity.queue
        self._broker = connect(ours)
        self._transport = make_transport(ours)

    def __call__(self, missing: Mapping[str, Scenario]) -> Simulated:
        """Yield outcomes as they come; nothing is left in Redis at the end, however it comes.

        Raises:
            FairwindError: If no worker can simulate one of them, or Redis cannot be used.
        """
        check_usable(self._broker)
        study = _Study(
            missing, OpenWork.of(missing), WorkersSeen(self._identity, self._say),
            BrokerView(self._broker, self._queue.name, uuid4().hex, self._settings),
        )  # fmt: skip
        look_s, is_away = float("-inf"), False
        try:
            while study.work.wanted:
                try:
                    if time.monotonic() >= look_s:
                        self._look(study)
                        look_s = time.monotonic() + self._settings.heartbeat_s
                    self._send(study)
                    yield from self._taken(study, until_s=look_s)
                    is_away = False
                except _AWAY as error:
                    if not is_away:
                        self._say(f"Redis does not answer ({error}). It goes on once it does.")
                    is_away = True
                    time.sleep(_AGAIN_S)
        finally:
            with suppress(redis.RedisError):
                study.view.leave(study.work.sent)

    def _look(self, study: _Study) -> None:
        work, view = study.work, study.view
        if not view.renew():
            work.note_emptied()
        study.workers.look(view.workers())
        self.most_processes = max(self.most_processes, study.workers.processes)
        sent = work.sent
        queued, leased = view.queued(sent), view.leased(sent)
        if not view.has_answers():  # what is nowhere else may be in one of them
            work.look(queued=queued, leased=leased)
        self._check_hope(study)

    def _check_hope(self, study: _Study) -> None:
        """Check that a worker is left that may simulate what others could not.

        Raises:
            FederationError: If there is none.
        """
        found = study.work.hopeless(study.workers.names, most_deaths=self._settings.max_attempts)
        if found is not None:
            scenario = study.scenarios[found[0]]
            msg = (
                f"The simulation {scenario.name} (seed {scenario.seed}, policy "
                f"{scenario.run.policy}) has no outcome: {found[1]} So the study ended; what was "
                "simulated is kept. Repair it, and start the study again."
            )
            raise FederationError(msg)

    def _send(self, study: _Study) -> None:
        keys = study.work.to_send(max(_AHEAD, _AHEAD * study.workers.processes))
        if not keys:
            return
        with batch(self._settings.redis_url) as through:
            for key in keys:
                scenario = portable(study.scenarios[key])
                request = SimulationRequest(
                    conductor=study.view.conductor, key=key, inputs=inputs(scenario),
                    scenario=scenario.model_dump(mode="json"),
                )  # fmt: skip
                send(
                    TASK, self._queue, request, through=through, signer=self._signer,
                    shown=f"{scenario.name} {key} for {study.view.conductor}",
                )  # fmt: skip
        for key in keys:
            study.work.note_sent(key)

    def _taken(self, study: _Study, *, until_s: float) -> Iterator[tuple[str, Outcome]]:
        """Yield the outcomes that arrive until it is time to look again, or to send more."""
        work, processes = study.work, study.workers.processes
        while work.wanted and (left_s := until_s - time.monotonic()) > 0:
            answer = _read_answer(study.view.next_answer(left_s))
            if answer is None:
                continue
            if answer.result == "failed":
                self._note_failed(study, answer, answer.reason)
            elif (outcome := self._outcome(study, answer)) and work.note_done(answer.key):
                yield answer.key, outcome
            if len(work.sent) <= processes and work.to_send(processes + 1):
                return

    def _outcome(self, study: _Study, answer: SimulationAnswer) -> Outcome | None:
        """Return the outcome that an answer names; `None` if its bytes are gone, or are none."""
        ref, ours = answer.outcome, study.view.conductor
        if ref is None or ref.key != outcome_key(ours, answer.key, ref.sha256):
            return None
        try:
            if ref.nbytes <= MOST_OUTCOME_NBYTES:
                return Outcome.from_json(bytes(fetch(self._transport, ref)))
            self._note_failed(study, answer, f"Its outcome has {show_bytes(ref.nbytes)}.")
        except TransportError as error:
            _log.warning("outcome.not_there", key=answer.key, reason=str(error))
            study.work.note_lost(answer.key)
        except ValueError as error:
            self._note_failed(study, answer, f"Its outcome cannot be read ({describe(error)}).")
        finally:
            forget(self._transport, ref)
        return None

    def _note_failed(self, study: _Study, answer: SimulationAnswer, reason: str) -> None:
        study.work.note_failed(answer.key, answer.worker, reason)
        study.workers.note_failure(answer.worker, reason)
        self._check_hope(study)


def _read_answer(raw: bytes | None) -> SimulationAnswer | None:
    if raw is None:
        return None
    try:
        return SimulationAnswer.model_validate_json(raw)
    except ValidationError as error:
        _log.warning("message.refused", task=TASK, reason=str(error)[:200])
        return None


def conductor(say: Say) -> Conductor:
    """Return the conductor of this process's settings; arguments as of `Conductor`."""
    return Conductor(settings.load(), say=say)
