"""Whether many clients can be trained at once, whether it pays, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.messages import Hyperparameters
from models.batched.stack import train_stack
from models.batched.timetable import Examples, draw_batches
from models.batched.work import ClientWork
from models.training import Trainer
from models.update import State, model_state
from models.workload import Data, Workload

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip

_MOST_VALUES = 100_000
"""Trainable values of a model above which the loop is chosen. Measured on two cores, batch 32, ten
clients: batched is 2.4 times as fast at 9.6 K values, as fast at 0.2 M, half as fast at 0.8 M,
where one client's weights stay in cache and all clients' do not (torch 2.13, November 2026)."""

_PROBED = 256
"""Examples, spread over all clients, on which the loss is checked to be a mean."""

_TOLERANCE = 1e-3
"""Relative; what it tells apart is far greater, rounding in float32 far smaller."""


@dataclass(frozen=True, slots=True)
class TrainerChoice:
    """How to train.

    Attributes:
        possible: Whether all clients can be trained at once.
        pays: Whether that is faster, as far as the model tells.
        reason: Why, in one sentence.
    """

    possible: bool
    pays: bool
    reason: str


def choose(workload: Workload, data: Mapping[str, Data], trainer: Trainer) -> TrainerChoice:
    """Return how to train; what cannot be told from the model is tried on a few examples.

    Args:
        workload: Whose model and loss.
        data: Every client's examples.
        trainer: Any client's; its model's state is lost.
    """
    model = trainer.model
    obstacle = _obstacle(workload, data, model) or _probe(workload, data, trainer, model)
    if obstacle:
        return TrainerChoice(possible=False, pays=False, reason=obstacle)
    return _advantage(model)


def _advantage(model: nn.Module) -> TrainerChoice:
    if next(model.parameters()).device.type == "cpu":
        if any(isinstance(module, _CONVOLUTIONS) for module in model.modules()):
            slow = "convolutions are faster one client after the other on a CPU"
            return TrainerChoice(possible=True, pays=False, reason=slow)
        size = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if size > _MOST_VALUES:
            slow = f"models of more than {_MOST_VALUES:,} values are faster one after the other"
            return TrainerChoice(possible=True, pays=False, reason=slow)
    fast = "examples do not depend on each other and the loss is their mean"
    return TrainerChoice(possible=True, pays=True, reason=fast)


def _obstacle(workload: Workload, data: Mapping[str, Data], model: nn.Module) -> str | None:
    for own in ("training_step", "optimizer"):
        if hasattr(workload, own):
            return f"the workload has its own {own}"
    kinds = set()
    for client, examples in data.items():
        if type(examples) is not TensorDataset:  # a subclass may do more than index
            return f"the data of {client} is no TensorDataset"
        kinds.add(tuple((tensor.dtype, tensor.shape[1:]) for tensor in examples.tensors))
    if len(kinds) > 1:
        return "the clients' examples differ in shape or dtype"
    for module in model.modules():
        name = type(module).__name__
        if isinstance(module, _BATCH_NORMS):
            return f"the model has running statistics ({name})"
        if isinstance(module, _DROPOUTS) and module.p > 0:
            return f"the model draws at random in training ({name})"
    return None


def _probe(
    workload: Workload, data: Mapping[str, Data], trainer: Trainer, model: nn.Module
) -> str | None:
    spread = _spread(cast("Mapping[str, TensorDataset]", data))
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        examples, is_mean = _compare_losses(workload, model.train(), spread)
        if not is_mean:
            return "the loss is not the mean over examples"
        if not all(torch.equal(*pair) for pair in zip(before, model.buffers(), strict=True)):
            return "the model changes its buffers in training"
        if not _agree(workload, trainer, examples):
            return "a step of all clients at once is not the steps of each"
    except Exception as error:  # noqa: BLE001 - whatever torch or the user's code cannot batch
        said = (str(error).splitlines() or [""])[0]
        return f"all clients at once raised {type(error).__name__}: {said}"
    return None


def _spread(data: Mapping[str, TensorDataset]) -> tuple[Tensor, ...]:
    """Return a few examples, evenly from all clients end to end: inputs, then targets."""
    rows = [(client, row) for client, examples in data.items() for row in range(len(examples))]
    chosen = rows[:: -(-len(rows) // _PROBED)]
    columns = zip(*(data[client][row] for client, row in chosen), strict=True)
    return tuple(torch.stack(column) for column in columns)


def _compare_losses(
    workload: Workload, model: nn.Module, examples: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], bool]:
    """Return the examples whose loss is finite, and whether their loss is the mean of each one's.

    A client's spoilt examples tell nothing, and must not decide for all.
    """
    device = next(model.parameters()).device
    with torch.no_grad():
        *inputs, targets = (tensor.to(device) for tensor in examples)
        outputs = model(*inputs)
        pairs = zip(torch.split(outputs, 1), torch.split(targets, 1), strict=True)
        each = torch.stack([workload.loss(*pair) for pair in pairs])
        told = each.isfinite()
        loss = workload.loss(outputs[told], targets[told])
    is_mean = torch.allclose(each[told].mean(), loss, rtol=_TOLERANCE)
    return tuple(tensor[told.cpu()] for tensor in examples), is_mean


def _agree(workload: Workload, trainer: Trainer, examples: tuple[Tensor, ...]) -> bool:
    """Take one step with batches of different sizes both ways, and compare."""
    few = TensorDataset(*(tensor[:3] for tensor in examples))
    fewer = TensorDataset(*(tensor[-2:] for tensor in examples))
    data = {"few": few, "fewer": fewer}
    asked = Hyperparameters(batch_size=3, learning_rate=1.0)
    model = trainer.model.train()
    base = model_state(model)
    works = [ClientWork(client, seed=1, epochs=1) for client in data]
    pool = Examples.of(data, next(model.parameters()).device)
    deltas = train_stack(
        model,
        workload.loss,
        base,
        signature=trainer.signature,
        pool=pool,
        timetable=draw_batches(pool, works, batch_size=3),
        hyperparameters=asked,
    ).deltas
    plain = [
        trainer.sharing(own).train(base, hyperparameters=asked, seed=1).delta
        for own in data.values()
    ]
    return all(
        _near({name: delta[row] for name, delta in deltas.items()}, plain[row], base)
        for row in range(len(plain))
    )


def _near(one: State, other: State, base: State) -> bool:
    off, size, start = (
        sum(tensor.double().square().sum().item() for tensor in tensors)
        for tensors in (
            [one[name] - other[name] for name in one],
            other.values(),
            [base[name] for name in one],
        )
    )
    return off <= _TOLERANCE**2 * (size + 1e-6 * start)
