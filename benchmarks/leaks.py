"""What an operator learns of records from updates: from one site's, and from a mean of many.

Sites train digits as in a run. The operator knows the model before, and sees a change of it.
Two published questions: can it draw a record from the change (`benchmarks.inversion`), and can it
tell a record that was trained on from one that was not (`benchmarks.membership`)?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import TensorDataset

from benchmarks.inversion import share_drawn
from benchmarks.membership import SCORES, Separation, separation
from common.errors import FairwindError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.update import State
from models.version import initial_version
from models.workload import load_workload

_SEEDS = range(20)
_SITES, _EACH, _BATCH = 20, 50, 8
_PERCENT = 100.0

_STEP = Hyperparameters(epochs=1, batch_size=_EACH, learning_rate=0.1)
_WORK = Hyperparameters(epochs=5, batch_size=32, learning_rate=0.1)


@dataclass(frozen=True, slots=True)
class Case:
    """What the operator sees.

    Attributes:
        name: Of its row.
        sites: Of how many sites it sees the mean.
        records: How many each of them trained on.
        hyperparameters: How.
    """

    name: str
    sites: int
    records: int
    hyperparameters: Hyperparameters


@dataclass(frozen=True, slots=True)
class Leak:
    """What the operator learns.

    Attributes:
        drawn: The share of the first site's records that are drawn.
        chance: The share of records of nobody that something drawn resembles as much.
        recognised: How well each of `SCORES` separates the former from the latter.
    """

    drawn: float
    chance: float
    recognised: Sequence[Separation]


CASES = (
    Case("one step on 1 record", 1, 1, _STEP),
    Case(f"one step on {_BATCH} records", 1, _BATCH, _STEP),
    Case(f"5 epochs on {_EACH} records", 1, _EACH, _WORK),
    Case("mean of 5 such updates", 5, _EACH, _WORK),
    Case(f"mean of {_SITES} such updates", _SITES, _EACH, _WORK),
)


def measure_leaks() -> None:
    """Print what is drawn and recognised in each case."""
    torch.set_num_threads(1)
    print(
        f"\nleaks: digits, a new model, mean of {len(_SEEDS)} seeds, in %; drawn: records of the "
        f"first site that are in the change, and others by chance; recognised: AUC and true "
        f"positives at 1 % false ones"
    )
    print(f"  {'the operator sees':<24} {'drawn':>6} {'chance':>6}  {'':<9} {'AUC':>5} {'TPR':>5}")
    for case in CASES:
        try:
            _print_case(case)
        except FairwindError as error:
            print(f"  not measured: {error}")
            return


def _print_case(case: Case) -> None:
    found = [measured(case, seed) for seed in _SEEDS]
    drawn = _PERCENT * mean(each.drawn for each in found)
    chance = _PERCENT * mean(each.chance for each in found)
    head = f"  {case.name:<24} {drawn:6.1f} {chance:6.1f}"
    for place, score in enumerate(SCORES):
        auc = _PERCENT * mean(each.recognised[place].auc for each in found)
        rate = _PERCENT * mean(each.recognised[place].tpr for each in found)
        print(f"{head if place == 0 else '':<39}  {score:<9} {auc:5.1f} {rate:5.1f}")


def measured(case: Case, seed: int) -> Leak:
    """Return what is learned in a case; sites and records are drawn by the seed."""
    digits = load_workload("digits", allowed=("digits",))
    examples = digits.train_examples()  # type: ignore[attr-defined] # one that ships
    order = np.random.default_rng(seed).permutation(len(examples))
    rows = [order[i * _EACH :][: case.records] for i in range(case.sites)]
    others = order[_SITES * _EACH :]
    base = initial_version(digits, seed)
    delta = _mean_delta(case, [_take(examples, own) for own in rows], base, seed)
    members, strangers = _take(examples, rows[0]).tensors, _take(examples, others).tensors
    return Leak(
        share_drawn(delta, members[0]), share_drawn(delta, strangers[0]),
        separation(digits, base, delta, members, strangers),
    )  # fmt: skip


def _mean_delta(case: Case, sites: Sequence[TensorDataset], base: State, seed: int) -> State:
    digits = load_workload("digits", allowed=("digits",))
    data = {f"c{number}": own for number, own in enumerate(sites)}
    works = [
        ClientWork(client, seed * 1000 + number, case.hyperparameters.epochs)
        for number, client in enumerate(data)
    ]
    updates = Cohort(digits, data, batched=False).train(
        base, works, hyperparameters=case.hyperparameters
    )
    return {name: deltas.mean(dim=0) for name, deltas in updates.deltas.items()}


def _take(examples: TensorDataset, rows: NDArray[np.int64]) -> TensorDataset:
    chosen: tuple[Tensor, ...] = examples[torch.from_numpy(rows)]
    return TensorDataset(*chosen)
