"""Whether many clients can be trained at once, whether it pays, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.batched.batch_schedule import Examples, draw_batches
from models.batched.client_work import ClientWork
from models.batched.stack import train_stack
from models.forward import forward
from models.own_loop import own_function
from models.training import Trainer
from models.update import model_state, plain_name
from models.workload import Data, Workload

_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip

_MOST_VALUES = 100_000
"""Trainable values of a model above which the loop is chosen. Measured on two cores, batch 32, ten
clients: batched is 2.4 times as fast at 9.6 K values, as fast at 0.2 M, half as fast at 0.8 M,
where one client's weights stay in cache and all clients' do not (torch 2.13, November 2026)."""

_PROBED = 256
"""Examples, spread over all clients, on which the probe compares losses."""

_FEW, _FEWER = slice(None, 3), slice(-2, None)
"""Two clients' examples of the probe: batches of different sizes in one stack."""

_TOLERANCE = 1e-3
"""Relative; the differences it detects are far greater, rounding in float32 far smaller."""


_SMALL_STEP = 1e-6
"""Learning rate of the probe: no loss diverges."""


@dataclass(frozen=True, slots=True)
class TrainerChoice:
    """How to train.

    Attributes:
        possible: Whether all clients can be trained at once.
        pays: Whether that is faster, as far as the model shows.
        reason: Why, in one sentence.
    """

    possible: bool
    pays: bool
    reason: str


def choose(workload: Workload, data: Mapping[str, Data], trainer: Trainer) -> TrainerChoice:
    """Return how to train; a probe on a few examples finds what types do not show.

    Args:
        workload: Its model and loss.
        data: Every client's examples.
        trainer: Any client's.
    """
    obstacle = _obstacle(workload, data) or _compiled(trainer) or _probe(workload, data, trainer)
    if obstacle:
        return TrainerChoice(possible=False, pays=False, reason=obstacle)
    slow = _drawback(trainer.models.new())
    fast = "examples do not depend on each other and the loss is their mean"
    return TrainerChoice(possible=True, pays=slow is None, reason=slow or fast)


def _drawback(model: nn.Module) -> str | None:
    """Return why training all clients at once is slower, `None` if it is not."""
    if next(model.parameters()).device.type != "cpu":
        return None
    if any(isinstance(module, _CONVOLUTIONS) for module in model.modules()):
        return "convolutions are faster one client after the other on a CPU"
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if size > _MOST_VALUES:
        return f"models of more than {_MOST_VALUES:,} values are faster one after the other"
    return None


def _obstacle(workload: Workload, data: Mapping[str, Data]) -> str | None:
    for own in ("training_step", "optimizer", "collate", "loader"):
        if hasattr(workload, own):
            return f"the workload has its own {own}"
    if not hasattr(workload, "loss"):
        return "the loss is the model's own"
    if own_function(workload, "train") is not None:
        return "the workload has its own train"
    kinds = set()
    for client, examples in data.items():
        if type(examples) is not TensorDataset:  # a subclass may do more than index
            return f"the data of {client} is no TensorDataset"
        kinds.add(tuple((tensor.dtype, tensor.shape[1:]) for tensor in examples.tensors))
    return "the clients' examples differ in shape or dtype" if len(kinds) > 1 else None


def _compiled(trainer: Trainer) -> str | None:
    names = [name for name, _ in trainer.models.new().named_parameters()]
    return "the model is compiled" if names != [plain_name(name) for name in names] else None


def _probe(workload: Workload, data: Mapping[str, Data], trainer: Trainer) -> str | None:
    """Return why a step of all clients at once is not the step of each, `None` if it is."""
    model = trainer.models.new().train()
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        examples = _spread(cast("Mapping[str, TensorDataset]", data))
        outputs, targets = _outputs(model, examples)
        each = [
            workload.loss(*one)
            for one in zip(torch.split(outputs, 1), torch.split(targets, 1), strict=True)
        ]
        sound = torch.stack(each).isfinite()  # a client's spoilt examples must not decide for all
        mean = torch.stack(each)[sound].mean()
        if not _near(mean, workload.loss(outputs[sound], targets[sound])):
            return "the loss is not the mean over examples"
        if not all(torch.equal(*pair) for pair in zip(before, model.buffers(), strict=True)):
            return "the model changes its buffers in training"
        pair = [tuple(one[sound.cpu()][part] for one in examples) for part in (_FEW, _FEWER)]
        data_of_pair = {f"{place}": TensorDataset(*few) for place, few in enumerate(pair)}
        if not _near(*_losses(workload, trainer, data_of_pair)):
            return "a step of all clients at once is not the steps of each"
    except Exception as error:  # noqa: BLE001 - whatever torch or the user's code cannot batch
        first_line = (str(error).splitlines() or [""])[0]
        return f"all clients at once raised {type(error).__name__}: {first_line}"
    return None


def _spread(data: Mapping[str, TensorDataset]) -> tuple[Tensor, ...]:
    """Return a few examples, evenly from all clients end to end: inputs, then targets."""
    rows = [(client, row) for client, examples in data.items() for row in range(len(examples))]
    chosen = rows[:: -(-len(rows) // _PROBED)]
    columns = zip(*(data[client][row] for client, row in chosen), strict=True)
    return tuple(torch.stack(column) for column in columns)


def _outputs(model: nn.Module, examples: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return the outputs of one forward pass, and the targets."""
    with torch.no_grad():
        return forward(model, examples)


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.double().cpu(), other.double().cpu(), rtol=_TOLERANCE)


def _losses(
    workload: Workload, trainer: Trainer, data: Mapping[str, TensorDataset]
) -> tuple[Tensor, Tensor]:
    """Return each client's loss after one step, all in one stack and one by one.

    The second step finds what a model keeps from the first.
    """
    base = model_state(trainer.models.new())
    model = trainer.start(base)
    examples = Examples.of(data, next(model.parameters()).device)
    works = [ClientWork(client, seed=1, epochs=2) for client in data]
    asked = Hyperparameters(batch_size=_PROBED, epochs=2, learning_rate=_SMALL_STEP)
    stacked = train_stack(
        model,
        workload.loss,
        base,
        signature=trainer.signature,
        examples=examples,
        schedule=draw_batches(examples, works, asked),
        hyperparameters=asked,
    )
    alone = [
        trainer.sharing(own).train(base, hyperparameters=asked, seed=1) for own in data.values()
    ]
    return torch.from_numpy(stacked.loss), torch.tensor([result.loss for result in alone])
