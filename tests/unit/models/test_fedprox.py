"""FedProx against closed forms: two clients whose losses are a/2 (y - b)**2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.training import Trainer
from models.update import model_state

A, B = (1.0, 10.0), (0.0, 1.0)
"""Curvature and optimum of each client's loss; the optimum of their mean is 10/11."""

ETA, K = 0.05, 10


class Quadratic(nn.Module):
    """One weight y, at 0; its output is y for every example."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, a: Tensor) -> Tensor:
        return torch.stack([a, self.y.expand(len(a))], dim=1)


def loss(outputs: Tensor, b: Tensor) -> Tensor:
    a, y = outputs.unbind(dim=1)
    return (a / 2 * (y - b) ** 2).mean()


def data_of(client: int) -> TensorDataset:
    a, b = (torch.tensor([each[client]], dtype=torch.float64) for each in (A, B))
    return TensorDataset(a, b)


def limit(make_workload: Any, hyperparameters: Hyperparameters, rounds: int) -> list[float]:
    """Return the model after each round of plain means."""
    clients = [
        Trainer(
            make_workload(model=Quadratic, train_data=lambda _, c=c: data_of(c), loss=loss), "c"
        )
        for c in (0, 1)
    ]
    state, path = model_state(Quadratic()), []
    for _ in range(rounds):
        results = [t.train(state, hyperparameters=hyperparameters, seed=1) for t in clients]
        state = {"y": state["y"] + sum(r.delta["y"] for r in results) / 2}
        path.append(float(state["y"]))
    return path


def test_without_a_proximal_term_it_is_fedavg(make_workload: Any) -> None:
    path = limit(make_workload, Hyperparameters(learning_rate=ETA, steps=K), 60)
    assert path[:4] == pytest.approx([0.499512, 0.649294, 0.694207, 0.707674], abs=1e-6)
    assert path[-1] == pytest.approx(0.7134421696847272)  # sum q b / sum q, q = 1 - (1 - eta a)**K


@pytest.mark.parametrize(("mu", "found"), [(1.0, 0.736188), (10.0, 0.846198)])
def test_proximal_term_draws_the_limit_towards_the_optimum(
    make_workload: Any, mu: float, found: float
) -> None:
    asked = Hyperparameters(learning_rate=ETA, steps=K, proximal_mu=mu)
    assert limit(make_workload, asked, 300)[-1] == pytest.approx(found, abs=1e-6)


def test_clients_at_once_are_drawn_back_as_each_alone(make_workload: Any) -> None:
    data = {"a": TensorDataset(torch.ones(6, 1), torch.arange(6.0).view(6, 1)),
            "b": TensorDataset(torch.ones(9, 1), -torch.arange(9.0).view(9, 1))}  # fmt: skip
    torch.manual_seed(1)
    base = model_state(nn.Linear(1, 1))
    workload = make_workload(model=lambda: nn.Linear(1, 1), train_data=lambda c: data[c])
    asked = Hyperparameters(batch_size=2, epochs=3, proximal_mu=3.0, clip_norm=5.0)
    works = [ClientWork(client, seed=4, epochs=3) for client in data]
    found = Cohort(workload, data, batched=True).train(base, works, hyperparameters=asked)
    plain = asked.model_copy(update={"proximal_mu": 0.0})
    for row, client in enumerate(data):
        alone = Trainer(workload, client).train(base, hyperparameters=asked, seed=4)
        free = Trainer(workload, client).train(base, hyperparameters=plain, seed=4)
        assert alone.delta["weight"].abs() < free.delta["weight"].abs()
        for name, delta in alone.delta.items():
            torch.testing.assert_close(found.deltas[name][row], delta, rtol=1e-4, atol=1e-6)
