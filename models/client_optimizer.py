"""The client optimizer: what takes the steps of local training."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from common.hyperparameters import Hyperparameters
from models.workload import Workload

_MakeOptimizer = Callable[[list[nn.Parameter], Hyperparameters], Optimizer]


def make_optimizer(
    workload: Workload, model: nn.Module, hyperparameters: Hyperparameters
) -> Optimizer:
    """Return the optimizer of a model's trainable parameters: the workload's own, or the named."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    make: _MakeOptimizer = getattr(workload, "optimizer", named_optimizer)
    return make(parameters, hyperparameters)


def named_optimizer(parameters: list[nn.Parameter], hyperparameters: Hyperparameters) -> Optimizer:
    """Return the optimizer that the hyperparameters name."""
    rate, decay = hyperparameters.learning_rate, hyperparameters.weight_decay
    if hyperparameters.optimizer == "sgd":
        return SGD(parameters, lr=rate, momentum=hyperparameters.momentum, weight_decay=decay)
    if hyperparameters.optimizer == "adam":
        return Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
