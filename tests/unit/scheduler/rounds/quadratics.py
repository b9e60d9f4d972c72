"""Learning of one number, for which the truth is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from models.server_optimizers import make_server_optimizer
from models.version import next_state
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.rounds.world import FirstVersion, NextVersion
from tests.unit.scheduler.rounds.memory_world import Learning


def _state(value: float) -> dict[str, torch.Tensor]:
    return {"x": torch.tensor([value], dtype=torch.float64)}


class Quadratics(Learning):
    """Clients that go a step from the version they pull towards their own optimum."""

    def __init__(self, optima: Mapping[str, float], *, step: float, start: float = 0.0) -> None:
        super().__init__(scored_here=False)
        self.values: dict[str, float] = {}
        self._optima, self._step, self._start = optima, step, start

    def open(self, run: Run) -> FirstVersion:
        first = super().open(run)
        self.values[first.version] = self._start
        return first

    def make(self, run: Run, round_: Round) -> NextVersion:
        lines = [*(round_.manifest or ()), *round_.latest]
        bases = [self.values[run.base_of(line.issued)] for line in lines]
        deltas = [
            self._step * (self._optima[line.client] - base)
            for line, base in zip(lines, bases, strict=True)
        ]
        memory = run.spec.bias == "memory"
        state, _ = next_state(
            _state(self.values[round_.base_version]), {},
            {"x": torch.tensor(deltas, dtype=torch.float64)[:, None]},
            [line.weight for line in lines], divisor=round_.divisor,
            bases=[
                (_state(base), line.weight)
                for line, base in zip(lines, bases, strict=True) if memory
            ],
            parameters=frozenset({"x"}), norm_bound=1e9,
            optimizer=make_server_optimizer("fedavg", learning_rate=1.0),
        )  # fmt: skip
        version = hashlib.sha256(f"{run.id} {round_.number}".encode()).hexdigest()
        self.values[version] = state["x"].item()
        return NextVersion(version, None)
