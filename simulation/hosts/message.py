"""What a conductor and its workers send each other, and where it lies in Redis."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from common.keys import blob_key, redis_key
from common.message import Message
from common.messages import BlobRef

TASK = "simulate"
"""The Celery task of a worker."""

MOST_OUTCOME_NBYTES = 256 << 20
"""The most that one outcome may have as JSON."""

_SHA256 = r"^[0-9a-f]{64}$"
_ID = r"^[0-9a-f]{32}$"
_WORKER = r"^[A-Za-z0-9._:-]{1,200}$"


class SimulationRequest(Message):
    """One simulation that a conductor wants.

    Attributes:
        conductor: Who waits for it.
        key: Of the scenario, see `simulation.many.scenario_key`.
        scenario: The scenario as JSON.
        inputs: The SHA-256 of each file and module that it names at the conductor.
    """

    conductor: str = Field(pattern=_ID)
    key: str = Field(pattern=_SHA256)
    scenario: dict[str, Any]
    inputs: dict[str, str]


class SimulationAnswer(Message):
    """What became of a simulation.

    Attributes:
        key: Of the scenario.
        worker: Who answers.
        result: Whether there is an outcome.
        outcome: Where its bytes are.
        reason: Why there is none.
    """

    key: str = Field(pattern=_SHA256)
    worker: str = Field(pattern=_WORKER)
    result: Literal["done", "failed"]
    outcome: BlobRef | None = None
    reason: str = Field(default="", max_length=2000)


class WorkerSign(Message):
    """The sign of life of a worker.

    Attributes:
        worker: Its name.
        host: Where it runs.
        processes: How many simulations it runs at once.
        code: Digest of its code.
        libraries: Versions of what computes.
        key: The public key of whom it takes simulations from; `None` if they are not signed.
    """

    worker: str = Field(pattern=_WORKER)
    host: str = Field(max_length=200)
    processes: int = Field(ge=1, le=4096)
    code: str = Field(max_length=64)
    libraries: dict[str, str]
    key: str | None = None


def conductor_key(conductor: str) -> str:
    """Return the Redis key that is there as long as a conductor waits for answers."""
    return redis_key("simulations", "conductor", conductor)


def answers_key(conductor: str) -> str:
    """Return the Redis key of the list of answers for a conductor."""
    return redis_key("simulations", "answers", conductor)


def lease_key(conductor: str, key: str) -> str:
    """Return the Redis key that is there as long as a worker simulates a scenario."""
    return redis_key("simulations", "lease", conductor, key)


def outcome_key(conductor: str, key: str, sha256: str) -> str:
    """Return the key under which the bytes of an outcome wait.

    Two workers may simulate the same, and say that it took them different times. Under one key each
    would replace what the answer of the other promises.
    """
    return blob_key("outcome", conductor, key, sha256)


def worker_key(worker: str) -> str:
    """Return the Redis key of a worker's sign of life."""
    return redis_key("simulations", "worker", worker)
