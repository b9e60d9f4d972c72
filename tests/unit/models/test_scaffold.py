"""SCAFFOLD on quadratics, with local training as it is: where rounds go, and where they end.

Client i minimises a_i / 2 (x - b_i)^2, so that the optimum of the mean is sum a b / sum a.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.algorithms.scaffold import correction, next_client_control, next_server_control
from models.batched import ClientWork, Cohort
from models.server_optimizers import make_server_optimizer
from models.update import State
from models.version import next_state
from scheduler.rounds.scaffold import reach

OPTIMUM = 10 / 11
ETA, K = 0.05, 10
TWO = ((1.0, 0.0), (10.0, 1.0))
"""a and b of each client."""


def weight() -> nn.Module:
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    return model


def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean() / 2


def example(a: float, b: float) -> TensorDataset:
    """Return the one example of which `half_square` is a / 2 (x - b)^2."""
    root = torch.tensor([[a]], dtype=torch.float64).sqrt()
    return TensorDataset(root, root * b)


@dataclass(frozen=True)
class Rule:
    """How control variates are worked out; a mutation replaces a field."""

    reach: Callable[[Hyperparameters, int], float] = reach
    num_clients: Callable[[int, int], int] = lambda every, _counted: every
    sign: float = 1.0


@dataclass
class Rounds:
    """Rounds over clients, each of whom has one example."""

    make_workload: Any
    curves: Sequence[tuple[float, float]] = TWO
    scaffold: bool = True
    batched: bool = False
    rule: Rule = Rule()

    def path(
        self, rounds: int, *, invite: Callable[[int], Sequence[int]] | None = None, **asked: Any
    ) -> list[float]:
        """Return x after each round, of those whose updates count."""
        workload = self.make_workload(model=weight, loss=half_square)
        data = {f"c{i:02}": example(*curve) for i, curve in enumerate(self.curves)}
        cohort = Cohort(workload, data, batched=self.batched)
        hyper = Hyperparameters(**{"learning_rate": ETA, "steps": K} | asked)
        x: State = {"weight": torch.zeros(1, 1, dtype=torch.float64)}
        server: State | None = None
        clients: dict[str, State] = {}
        found = []
        for number in range(rounds):
            chosen = invite(number) if invite else range(len(self.curves))
            works = [ClientWork(f"c{i:02}", seed=1, epochs=1) for i in chosen]
            if server is not None:
                sent = [correction(server, clients.get(work.client)) for work in works]
                works = [replace(w, correction=c) for w, c in zip(works, sent, strict=True)]
            updates = cohort.train(x, works, hyperparameters=hyper)
            base = x
            x, _ = next_state(
                x, {}, updates.deltas, [1] * len(works), parameters=frozenset({"weight"}),
                norm_bound=1e12, optimizer=make_server_optimizer("fedavg"),
            )  # fmt: skip
            if self.scaffold:
                for row, work in enumerate(works):
                    clients[work.client] = next_client_control(
                        work.correction,
                        {"weight": self.rule.sign * updates.deltas["weight"][row]}, base,
                        reach=self.rule.reach(hyper, int(updates.num_steps[row])),
                        weight_decay=hyper.weight_decay, parameters=["weight"],
                    )  # fmt: skip
                count = self.rule.num_clients(len(self.curves), len(works))
                server = next_server_control([clients[c] for c in sorted(clients)], count)
            found.append(float(x["weight"]))
            if not abs(found[-1]) < 1e9:
                break
        return found


@pytest.fixture
def rounds(make_workload: Any) -> Rounds:
    return Rounds(make_workload)


def test_fedavg_ends_beside_the_optimum(rounds: Rounds) -> None:
    path = replace(rounds, scaffold=False).path(20)
    assert path[:4] == pytest.approx([0.499512, 0.649294, 0.694207, 0.707674], abs=1e-6)
    q = [1 - (1 - ETA * a) ** K for a, _ in TWO]
    assert path[-1] == pytest.approx(q[1] / sum(q), abs=1e-6)
    assert q[1] / sum(q) == pytest.approx(0.7134421696847272)


@pytest.mark.parametrize("batched", [False, True])
def test_scaffold_reaches_the_optimum(rounds: Rounds, *, batched: bool) -> None:
    path = replace(rounds, batched=batched).path(30)
    expected = [0.499512, 0.799827, 0.919978, 0.943972, 0.934341, 0.920899]
    assert path[:6] == pytest.approx(expected, abs=1e-6)
    assert path[9] == pytest.approx(0.908392, abs=1e-6)
    assert path[29] == pytest.approx(0.9090909087, abs=1e-7)


def test_updates_that_never_count_leave_no_trace(rounds: Rounds) -> None:
    rng = Random(7)

    def invite(_: int) -> list[int]:
        return sorted(rng.sample(range(2), rng.choice([1, 2, 2, 2])))

    assert rounds.path(150, invite=invite)[-1] == pytest.approx(OPTIMUM, abs=1e-6)


def test_momentum_is_divided_by_its_effective_steps(rounds: Rounds) -> None:
    asked: dict[str, Any] = {"momentum": 0.9, "learning_rate": 0.002}
    assert rounds.path(60, **asked)[-1] == pytest.approx(OPTIMUM, abs=1e-4)
    plain = Rule(reach=lambda h, steps: h.learning_rate * steps)
    assert abs(replace(rounds, rule=plain).path(40, **asked)[-1]) > 1e3


def test_weight_decay_is_no_part_of_a_control_variate(rounds: Rounds) -> None:
    # the optimum of the mean of a / 2 (x - b)^2 + lambda / 2 x^2, lambda = 0.5
    path = rounds.path(60, weight_decay=0.5)
    assert path[-1] == pytest.approx(10 / (11 + 2 * 0.5), abs=1e-6)


def test_proximal_term_does_not_move_the_optimum(rounds: Rounds) -> None:
    assert rounds.path(60, proximal_mu=1.0)[-1] == pytest.approx(OPTIMUM, abs=1e-6)


TWENTY = [(1.0 + i % 4, i / 20) for i in range(20)]
OPTIMUM_OF_TWENTY = sum(a * b for a, b in TWENTY) / sum(a for a, _ in TWENTY)


def two_of_twenty() -> Callable[[int], list[int]]:
    rng = Random(3)
    return lambda _: sorted(rng.sample(range(20), 2))


def error(rounds: Rounds, number: int) -> float:
    path = rounds.path(number, invite=two_of_twenty(), steps=5, learning_rate=0.1)
    return abs(path[-1] - OPTIMUM_OF_TWENTY)


def test_few_of_many_reach_the_optimum_of_all(rounds: Rounds) -> None:
    assert error(replace(rounds, curves=TWENTY), 200) < 1e-4


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule(sign=-1.0), "sign"),
        (Rule(reach=lambda h, _: h.learning_rate), "K"),
        (Rule(num_clients=lambda _, counted: counted), "|S| / N"),
    ],
)
def test_rules_with_a_mistake_do_not_get_there(rounds: Rounds, rule: Rule, says: str) -> None:
    wrong = replace(rounds, curves=TWENTY, rule=rule)
    assert error(wrong, 200) > 1e-3, says
