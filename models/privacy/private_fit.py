"""The loop of private training: Poisson samples of a client's records, step after step."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batch import as_loaded
from models.client_optimizer import make_optimizer
from models.loader_processes import loader_processes
from models.loading import at_rows
from models.local_fit import Fitted, OnEpoch
from models.privacy.accountant import opacus_is_missing
from models.privacy.secret_bits import SecretBits
from models.privacy.spending import spending_of
from models.privacy.unfit import unfit
from models.seed import seed_generators
from models.workload import Data, Workload, blamed, name_of

USUAL_CLIP_NORM = 1.0
"""Longest gradient of one example where the run names no other."""


def fit_privately(
    workload: Workload,
    model: nn.Module,
    data: Data,
    *,
    num_examples: int,
    hyperparameters: Hyperparameters,
    seed: int,
    on_epoch: OnEpoch,
    secret: bytes,
) -> Fitted:
    """Train a model in place so that its parameters are private for each record.

    Loss and utility of the result are not: they must not leave the site.

    Args:
        workload: Whose loss.
        model: In training mode, what it starts from loaded.
        data: The client's.
        num_examples: How many these are.
        hyperparameters: The run's, with record privacy.
        seed: Of what the workload draws itself, such as dropout; no part of the privacy.
        on_epoch: Called after as many steps as an epoch has; what it raises ends the training.
        secret: Decides on samples and noise. Whoever knows it can take the noise away.

    Raises:
        WorkloadError: If Opacus is not installed, the workload mixes records, or it raises.
    """
    fault = opacus_is_missing()
    if fault is not None:
        msg = f"Nothing was trained, as {fault}."
        raise WorkloadError(msg)
    fault = unfit(workload, model, data)
    if fault is not None:
        raise WorkloadError(fault)
    from models.privacy.private_step import PrivateStep  # noqa: PLC0415 - imports the extra

    seed_generators(seed)
    cost = spending_of(hyperparameters, num_examples)
    coins, before = SecretBits(secret, "coins"), _buffers(model)
    with blamed(workload, "assignment"):
        step = PrivateStep(
            workload, model, make_optimizer(workload, model, hyperparameters),
            noise=SecretBits(secret, "noise"), noise_multiplier=cost.noise_multiplier,
            clip_norm=hyperparameters.clip_norm or USUAL_CLIP_NORM,
            expected_batch_size=cost.sample_rate * num_examples, mu=hyperparameters.proximal_mu,
        )  # fmt: skip
    draw = partial(at_rows, as_loaded(data), collate=getattr(workload, "collate", None))
    per_epoch = max(1, round(1 / cost.sample_rate))
    epochs = -(-cost.steps // per_epoch)
    losses: list[float] = []
    for number in range(1, cost.steps + 1):
        rows = coins.rows(num_examples, cost.sample_rate)
        with blamed(workload, "assignment"), loader_processes():
            losses += step.take(rows, draw)
        if number % per_epoch == 0 or number == cost.steps:
            on_epoch(-(-number // per_epoch), epochs, _mean(losses))
            losses = losses if number == cost.steps else []
    _check_buffers(workload, before, model)
    mean = _mean(losses)
    return Fitted(num_examples, cost.steps, mean, num_examples * abs(mean))


def _mean(losses: list[float]) -> float:
    return sum(losses) / len(losses) if losses else float("nan")


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {name: each.clone() for name, each in model.named_buffers()}


def _check_buffers(workload: Workload, before: dict[str, Tensor], model: nn.Module) -> None:
    """Refuse a model that keeps something of its records in a buffer, which gets no noise."""
    for name, each in model.named_buffers():
        if not torch.equal(before[name], each):
            msg = (
                f"Training changed the buffer {name} of the model of {name_of(workload)}, "
                "which gets no noise, so nothing leaves. Let the model change no buffer in "
                "training, or start the run without --privacy record."
            )
            raise WorkloadError(msg)
