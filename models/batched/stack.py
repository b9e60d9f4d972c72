"""Training on a stack: every parameter has the clients as its first dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import Optimizer

from common.hyperparameters import Hyperparameters
from models.algorithms.fedprox import add_proximal_gradient
from models.algorithms.scaffold import add_correction
from models.batched.batch_schedule import BatchSchedule, Examples
from models.batched.client_work import Floats, Ints
from models.client_optimizer import named_optimizer
from models.update import Signature, State

Loss = Callable[[Tensor, Tensor], Tensor]

_LEAST_NORM = 1e-6
"""What `torch.nn.utils.clip_grad_norm_` adds to a norm before it divides by it."""


class Stacked(NamedTuple):
    """What some clients' training gave.

    Attributes:
        deltas: What it changed, each tensor `(num_clients, *shape)`.
        num_examples: As in `LocalResult`, `(num_clients,)`.
        num_steps: Likewise, `(num_clients,)`.
        loss: Likewise, `(num_clients,)`.
        utility: Likewise, `(num_clients,)`.
    """

    deltas: State
    num_examples: Ints
    num_steps: Ints
    loss: Floats
    utility: Floats


def train_stack(
    model: nn.Module,
    loss: Loss,
    base: State,
    *,
    signature: Signature,
    examples: Examples,
    schedule: BatchSchedule,
    hyperparameters: Hyperparameters,
    corrections: State | None = None,
) -> Stacked:
    """Train all clients of a schedule at once, each from the same base model.

    Clients share no value of the stack, so the gradient of the sum of their losses holds each
    one's own. Those with fewest steps are last, and leave the stack when they are done.

    Args:
        model: In training mode, the base loaded; gives the structure, the frozen parameters and
            the buffers.
        loss: The mean over examples.
        base: The state to start from.
        signature: The model's `delta_signature`.
        examples: The clients' examples.
        schedule: Their batches.
        hyperparameters: The run's; the schedule has the epochs and the batches.
        corrections: What is added to the gradients, each `(num_clients, *shape)`.
    """
    device = next(model.parameters()).device
    num_clients = len(schedule.counts)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    stack = {
        name: nn.Parameter(base[name].to(device).expand(num_clients, *spec.shape).clone())
        for name, spec in signature.items()
        if name in trained
    }
    start = {name: base[name].to(device) for name in stack}
    added = {name: each.to(device) for name, each in (corrections or {}).items()}
    whole = {name: parameter.data for name, parameter in stack.items()}
    optimizer = named_optimizer(list(stack.values()), hyperparameters)
    rows, counts = schedule.rows.to(device), schedule.counts.to(device)
    losses = torch.zeros(counts.shape, dtype=torch.float64, device=device)
    for step, active in enumerate(schedule.active()):
        if active < len(next(iter(stack.values()))):
            stack = _narrow(optimizer, stack, active)
        batch = tuple(tensor[rows[:active, step]] for tensor in examples.tensors)
        optimizer.zero_grad(set_to_none=True)
        found = _mean_losses(model, loss, {**stack}, batch, counts[:active, step])
        found.sum().backward()  # type: ignore[no-untyped-call]
        if hyperparameters.proximal_mu:
            pairs = [(stack[name], start[name]) for name in stack]
            add_proximal_gradient(pairs, mu=hyperparameters.proximal_mu)
        if hyperparameters.clip_norm is not None:
            _clip(stack, hyperparameters.clip_norm)
        add_correction((stack[name], each[:active]) for name, each in added.items())
        optimizer.step()
        losses[:active, step] = found.detach()
    deltas = {
        name: whole[name].cpu().sub_(base[name])
        if name in whole
        else torch.zeros(num_clients, *spec.shape, dtype=spec.dtype)
        for name, spec in signature.items()
    }
    num_examples, loss_of_each, utility = schedule.figures(losses.cpu())
    return Stacked(deltas, num_examples, schedule.num_steps(), loss_of_each, utility)


def _clip(stack: dict[str, nn.Parameter], most: float) -> None:
    """Scale each client's gradient to a norm of `most` where it is longer, as torch does for one.

    Args:
        stack: Each `(num_clients, *shape)`, with gradients.
        most: The longest norm.
    """
    gradients = [parameter.grad for parameter in stack.values() if parameter.grad is not None]
    squares = [gradient.flatten(1).square().sum(dim=1) for gradient in gradients]
    norms = torch.stack(squares).sum(dim=0).sqrt()  # (num_clients,)
    factors = (most / (norms + _LEAST_NORM)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.dim() - 1)))


def _mean_losses(
    model: nn.Module,
    loss: Loss,
    stack: dict[str, Tensor],
    batch: tuple[Tensor, ...],
    counts: Tensor,
) -> Tensor:
    """Return the mean loss of each client's batch, `(num_clients,)`.

    Args:
        model: Its parameters are replaced by those of the stack.
        loss: The mean over examples.
        stack: Each `(num_clients, *shape)`.
        batch: Inputs, then targets, each `(num_clients, width, ...)`.
        counts: How many of them count, `(num_clients,)`.
    """

    def forward(parameters: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        outputs: Tensor = functional_call(model, parameters, inputs)
        return outputs

    def of_one(output: Tensor, target: Tensor) -> Tensor:
        return loss(output.unsqueeze(0), target.unsqueeze(0))

    *inputs, targets = batch
    outputs = vmap(forward)(stack, *inputs)  # (num_clients, width, ...)
    each = vmap(of_one)(outputs.flatten(0, 1), targets.flatten(0, 1)).view(targets.shape[:2])
    counted = torch.arange(each.shape[1], device=each.device) < counts.unsqueeze(1)
    return (each * counted).sum(dim=1) / counts


def _narrow(
    optimizer: Optimizer, stack: dict[str, nn.Parameter], active: int
) -> dict[str, nn.Parameter]:
    """Return the stack of the first clients alone, in the same memory, and let it be optimized.

    They are new parameters, as autograd remembers the shape of the old ones.
    """
    narrowed = {name: nn.Parameter(parameter.data[:active]) for name, parameter in stack.items()}
    for name, parameter in narrowed.items():
        optimizer.state[parameter] = {
            # a tensor without dimensions counts steps, the same for all clients
            key: value[:active] if isinstance(value, Tensor) and value.dim() > 0 else value
            for key, value in optimizer.state.pop(stack[name], {}).items()
        }
    optimizer.param_groups[0]["params"] = list(narrowed.values())
    return narrowed
