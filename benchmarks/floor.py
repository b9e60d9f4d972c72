"""What the same work costs without Fairwind: bare training, and the bytes moved by hand."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

import redis

from common import settings
from common.hyperparameters import Hyperparameters
from models.training import Trainer, warm_up
from models.version import initial_version
from models.workload import load_workload

_CHUNK = 4 << 20


class Bytes(NamedTuple):
    """What a round moves for each client, in bytes: the model there, the update back."""

    model: int
    update: int


def pure_training_s(workload: str, clients: list[str]) -> float:
    """Return how long one core trains for all clients, one after the other, in this process."""
    os.environ["FAIRWIND_PARTITION"] = ",".join(clients)
    settings.load.cache_clear()
    warm_up(1)
    loaded = load_workload(workload, allowed=[workload])
    trainers = [Trainer(loaded, client) for client in clients]
    base = initial_version(loaded, 0)
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for trainer in trainers:
            trainer.train(base, hyperparameters=Hyperparameters(), seed=1)
        best = min(best, time.perf_counter() - begun)
    return best


def floor_s(redis_url: str, moved: Bytes, clients: int, folder: Path) -> float:
    """Return how long one process takes to move the bytes of a round through Redis.

    For each client: the model fetched, the update put, fetched, hashed, and written to disk; then
    the next model put. Nothing is checked, summed or recorded.
    """
    broker = redis.Redis.from_url(redis_url)
    model, update = _pieces(moved.model), _pieces(moved.update)
    _put(broker, "floor:model", model)
    begun = time.perf_counter()
    for _ in range(clients):
        _get(broker, "floor:model", len(model))
        _put(broker, "floor:update", update)
        digest = hashlib.sha256()
        with (folder / "floor").open("wb") as file:
            for piece in _get(broker, "floor:update", len(update)):
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    _put(broker, "floor:model", model)
    return time.perf_counter() - begun


def _pieces(nbytes: int) -> list[bytes]:
    data = os.urandom(min(nbytes, _CHUNK))
    return [data] * (nbytes // len(data))


def _put(broker: redis.Redis, name: str, pieces: list[bytes]) -> None:
    for index, piece in enumerate(pieces):
        broker.set(f"{name}:{index}", piece, ex=600)


def _get(broker: redis.Redis, name: str, count: int) -> list[bytes]:
    values = [broker.get(f"{name}:{index}") for index in range(count)]
    return [value for value in values if isinstance(value, bytes)]
