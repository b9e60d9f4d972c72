"""One step of local training: the gradient of a group of batches, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from common.hyperparameters import Hyperparameters
from models.algorithms.fedprox import add_proximal_gradient
from models.algorithms.scaffold import add_correction, aligned
from models.batch import Batch
from models.forward import training_loss
from models.moved import moved
from models.precision import MixedPrecision, check_masters
from models.update import State
from models.workload import Workload


class LocalStep:
    """Takes steps of a client's optimizer.

    Attributes:
        num_taken: How many so far; a step that was skipped, as its gradients overflowed, is none.
    """

    def __init__(
        self,
        workload: Workload,
        model: nn.Module,
        optimizer: Optimizer,
        hyperparameters: Hyperparameters,
        *,
        anchor: nn.Module | None = None,
        correction: State | None = None,
    ) -> None:
        """Prepare to train a model.

        Args:
            workload: Whose loss.
            model: Changed by each step.
            optimizer: Of its trainable parameters.
            hyperparameters: The run's.
            anchor: What `proximal_mu` draws the model to; where it is now if left out.
            correction: What SCAFFOLD adds to the gradients, by parameter.
        """
        self._loss: Callable[[nn.Module, Batch], Tensor] = getattr(
            workload, "training_step", partial(training_loss, workload)
        )
        self.num_taken = 0
        self._model, self._optimizer = model, optimizer
        self._device = next(model.parameters()).device
        check_masters(model, hyperparameters.precision)
        self._precision = MixedPrecision(hyperparameters.precision, self._device)
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._clip_norm, self._mu = hyperparameters.clip_norm, hyperparameters.proximal_mu
        drawn_to = (model if anchor is None else anchor).parameters()
        start = [p.detach().clone() for p in drawn_to if p.requires_grad] if self._mu else []
        self._start = start
        self._corrected = aligned(model, correction or {})

    def take(self, batches: Sequence[tuple[int, Batch]]) -> list[float]:
        """Take one step along the mean gradient of all examples of some batches.

        Args:
            batches: With how many examples each has.

        Returns:
            The loss of each.
        """
        total = sum(size for size, _ in batches)
        losses = []
        self._optimizer.zero_grad(set_to_none=True)
        for size, batch in batches:
            with self._precision.autocast():
                loss = self._loss(self._model, moved(batch, self._device))
            self._precision.backward(loss if size == total else loss * (size / total))
            losses.append(loss.item())
        self._precision.unscale(self._optimizer)
        if self._mu:
            add_proximal_gradient(zip(self._trained, self._start, strict=True), mu=self._mu)
        if self._clip_norm is not None:
            clip_grad_norm_(self._trained, self._clip_norm)
        # After the norm is limited: what is added is known, and no part of what a batch found.
        add_correction(self._corrected)
        self.num_taken += self._precision.step(self._optimizer)
        return losses
