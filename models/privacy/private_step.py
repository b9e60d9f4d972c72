"""One step of private training: clipped gradients of a sample's examples, summed, with noise.

Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar and Zhang, "Deep Learning with Differential
Privacy", CCS 2016, https://arxiv.org/abs/1607.00133, algorithm 1. Opacus finds the norm of each
example's gradient without the gradient itself (ghost clipping): Lee and Kifer, "Scaling up
Differentially Private Deep Learning with Fast Per-Example Gradient Clipping", PETS 2021,
https://arxiv.org/abs/2009.03106. Needs the extra `privacy`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from common.errors import WorkloadError
from models.algorithms.fedprox import add_proximal_gradient
from models.batch import Batch
from models.forward import called
from models.moved import moved
from models.nested import opened
from models.privacy.secret_bits import SecretBits
from models.workload import Workload, name_of

Draw = Callable[[Tensor], Batch]
"""Returns the batch of the examples at some rows."""

_PROBED = 4
"""Examples of the first sample on which the norms are checked."""

_TOLERANCE = 1e-2
"""Relative, of a norm found with others and alone: what mixes records differs by far more."""


class NoisyOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc] # has no types
    """Opacus' optimizer with noise from secret bits."""

    def __init__(self, optimizer: Optimizer, *, noise: SecretBits, **how: Any) -> None:
        """Wrap an optimizer.

        Args:
            optimizer: Takes the step along what gets the noise.
            noise: The stream that it comes from.
            how: What Opacus asks for.
        """
        super().__init__(optimizer, **how)
        self._noise = noise

    def add_noise(self) -> None:
        """Add the noise in float64, and round once."""
        std = self.noise_multiplier * self.max_grad_norm
        for each in self.params:
            noise = self._noise.noise(each.numel(), std=std).view_as(each)
            each.grad = (each.summed_grad.double().cpu() + noise).to(each)


class PrivateStep:
    """Takes private steps of a client's optimizer."""

    def __init__(
        self,
        workload: Workload,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        noise: SecretBits,
        noise_multiplier: float,
        clip_norm: float,
        expected_batch_size: float,
        mu: float,
    ) -> None:
        """Prepare to train a model.

        Args:
            workload: Whose loss, of which each example has its own.
            model: Changed by each step.
            optimizer: Of its trainable parameters.
            noise: The stream that the noise comes from.
            noise_multiplier: Its standard deviation over the clip norm.
            clip_norm: Longest gradient of one example.
            expected_batch_size: What the noisy sum is divided by, whatever a sample has.
            mu: How strongly the model is drawn back to where it started.
        """
        self._workload, self._mu = workload, mu
        # A compiled model hides its layers, whose gradients are to be found.
        plain = getattr(model, "_orig_mod", model)
        self._module = GradSampleModuleFastGradientClipping(
            plain, max_grad_norm=clip_norm, loss_reduction="sum", strict=False
        )
        self._optimizer = NoisyOptimizer(
            optimizer, noise=noise, noise_multiplier=noise_multiplier, max_grad_norm=clip_norm,
            expected_batch_size=expected_batch_size,
        )  # fmt: skip
        # Any: Opacus keeps what it finds in attributes of the parameters.
        self._trained: list[Any] = [p for p in plain.parameters() if p.requires_grad]
        self._device = next(plain.parameters()).device
        self._start = [p.detach().clone() for p in self._trained] if mu else []
        self._probed = False

    def take(self, rows: Tensor, draw: Draw) -> list[float]:
        """Take one step on a Poisson sample, which may be empty.

        Args:
            rows: Of the sample's examples.
            draw: Gets them.

        Returns:
            The loss of each example that counted.

        Raises:
            WorkloadError: If an example's gradient is not its own.
        """
        with warnings.catch_warnings():
            # The first layer's inputs need no gradient: that is as it should be.
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses = self._sum_clipped(rows, draw)
        for each in self._trained:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        self._optimizer.pre_step()
        if self._mu:  # what is added is known to everybody
            add_proximal_gradient(zip(self._trained, self._start, strict=True), mu=self._mu)
        self._optimizer.original_optimizer.step()
        return losses

    def _sum_clipped(self, rows: Tensor, draw: Draw) -> list[float]:
        """Leave in the gradients the sum of the examples' clipped ones.

        An example whose gradient is not finite counts as 0: it would make the whole update NaN,
        and show by that that it is there.
        """
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            if len(rows) == 0:
                return []
            if not self._probed:
                self._probe(draw, rows[:_PROBED])
            losses, norms = self._norms(draw(rows))
            sound = losses.detach().isfinite() & norms.isfinite()
            if bool(sound.all()):
                break
            rows = rows[sound.cpu()]
        self._optimizer.zero_grad(set_to_none=True)
        weights = self._module.get_clipping_coef()
        self._module.disable_hooks()
        (weights * losses).sum().backward()
        self._module.enable_hooks()
        return [float(each) for each in losses.detach()]

    def _norms(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss of each example, `(batch,)`, and the norm of its gradient, likewise."""
        losses = self._losses(batch)
        for each in self._trained:
            each._norm_sample = None  # noqa: SLF001 - Opacus keeps it there, also of a step before
        losses.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call] # torch has no types
        for each in self._trained:
            if each._norm_sample is None and each.grad is None:  # noqa: SLF001 - (the same)
                each._norm_sample = torch.zeros_like(losses)  # noqa: SLF001 - (the same)
            if each._norm_sample is None:  # noqa: SLF001 - (the same)
                raise WorkloadError(_no_norm(self._workload))
        return losses, self._module.get_norm_sample().detach()

    def _losses(self, batch: Batch) -> Tensor:
        outputs, targets = called(self._module, moved(batch, self._device))
        loss = self._workload.loss

        def of_one(output: Any, target: Any) -> Tensor:
            one: Tensor = loss(_as_batch(output), _as_batch(target))
            return one

        losses: Tensor = torch.vmap(of_one)(outputs, targets)
        return losses

    def _probe(self, draw: Draw, rows: Tensor) -> None:
        """Check that the norms of some examples are the same with others as alone.

        Raises:
            WorkloadError: If they are not: then nothing bounds what one record changes.
        """
        with _without_dropout(self._module), _generators_kept():
            together = self._norms(draw(rows))[1]
            again = self._norms(draw(rows))[1]
            alone = [self._alone(draw(row)) for row in rows.unsqueeze(1)]
        self._optimizer.zero_grad(set_to_none=True)
        found = torch.tensor(alone, dtype=torch.float64)
        sound = found.isfinite() & together.cpu().isfinite()
        if not torch.equal(together[sound.to(together.device)], again[sound.to(again.device)]):
            self._probed = True  # a model that draws numbers of its own cannot be compared
            return
        if not torch.allclose(
            together.cpu().double()[sound], found[sound], rtol=_TOLERANCE, atol=1e-6
        ):
            raise WorkloadError(_mixed(self._workload))
        self._probed = bool(sound.any())

    def _alone(self, batch: Batch) -> float:
        """Return the norm of one example's gradient as autograd finds it."""
        self._module.disable_hooks()
        outputs, targets = called(self._module, moved(batch, self._device))
        loss: Tensor = self._workload.loss(outputs, targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch has no types for it
        self._module.enable_hooks()
        found = [each.grad for each in self._trained if each.grad is not None]
        return math.sqrt(sum(float(each.double().square().sum()) for each in found))


def _as_batch(value: Any) -> Any:
    """Return the part of one example as a batch of one."""
    if isinstance(value, Tensor):
        return value.unsqueeze(0)
    found = opened(value)
    return value if found is None else found[1]([_as_batch(part) for part in found[0]])


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    drops = [m for m in model.modules() if isinstance(m, _DropoutNd)]
    training = [each.training for each in drops]
    _set_training(drops, [False] * len(drops))
    try:
        yield
    finally:
        _set_training(drops, training)


def _set_training(modules: Iterable[nn.Module], values: Iterable[bool]) -> None:
    for module, value in zip(modules, values, strict=True):
        module.train(value)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Let what is drawn meanwhile be drawn again."""
    with torch.random.fork_rng():
        yield


def _mixed(workload: Workload) -> str:
    return (
        f"In the workload {name_of(workload)} an example's gradient depends on the others of its "
        "batch, so nothing bounds what one record changes, and nothing was trained. Let model and "
        "loss treat each example by itself, or start the run without --privacy record."
    )


def _no_norm(workload: Workload) -> str:
    return (
        f"The model of the workload {name_of(workload)} uses a parameter outside the layer that "
        "holds it, so the gradient of one record is not known, and nothing was trained. Use it in "
        "that layer's forward, or start the run without --privacy record."
    )
