"""A forward pass: which parts of a batch a model takes, and where its loss comes from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from common.errors import WorkloadError
from models.batch import Batch
from models.moved import moved
from models.nested import Nested
from models.own_loop import own_function
from models.workload import Workload, name_of

TARGETS = ("labels", "label", "targets", "target")
"""The entries of a mapping that may hold a batch's targets; the first one there is counts."""


def forward(model: nn.Module, batch: Batch) -> tuple[Nested, Nested]:
    """Move a batch to a model's device, and return its outputs and targets; as `called` does."""
    return called(model, moved(batch, next(model.parameters()).device))


def called(model: nn.Module, batch: Batch) -> tuple[Nested, Nested]:
    """Return a model's outputs and the targets of one batch that is on the model's device.

    A tuple's last item is the targets; the others are the model's arguments. The entries of a
    mapping are keyword arguments; its targets are only if `forward` has such a parameter, as models
    that return their own loss do.

    Raises:
        WorkloadError: If the batch is neither.
    """
    if isinstance(batch, Mapping):
        name = next((name for name in TARGETS if name in batch), None)
        targets = None if name is None else batch[name]
        inputs = {n: value for n, value in batch.items() if n != name or _takes(model, n)}
        return model(**inputs), targets
    if not isinstance(batch, tuple | list):
        msg = (
            f"A batch of the workload is a {type(batch).__name__}, so it is unknown what of it "
            "the model takes. Let items be tuples that end with the target, or mappings, or define "
            "training_step."
        )
        raise WorkloadError(msg)
    *arguments, targets = batch
    return model(*arguments), targets


def loss_of(workload: Workload, outputs: Nested, targets: Nested) -> Tensor | None:
    """Return the mean loss of outputs: by the workload's `loss`, else the model's own.

    Returns:
        A scalar; `None` if neither is there and the workload trains by its own `training_step`
        or `train`.

    Raises:
        WorkloadError: If neither is there, and nothing can be trained.
    """
    own = getattr(workload, "loss", None)
    if own is not None:
        loss: Tensor = own(outputs, targets)
        return loss
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if isinstance(found, Tensor):
        return found
    if hasattr(workload, "training_step") or own_function(workload, "train") is not None:
        return None
    msg = (
        f"The workload {name_of(workload)} defines no loss, and what its model returns "
        f"({type(outputs).__name__}) has none, so nothing can be trained with it. Define "
        "loss(outputs, targets), or let the model return a mapping with its loss."
    )
    raise WorkloadError(msg)


def training_loss(workload: Workload, model: nn.Module, batch: Batch) -> Tensor:
    """Return the loss of one batch on the model's device, to call `backward` on.

    Raises:
        WorkloadError: If there is no way to find one.
    """
    loss = loss_of(workload, *called(model, batch))
    assert loss is not None  # noqa: S101 - a workload with a training_step does not come here
    return loss


def _takes(model: nn.Module, name: str) -> bool:
    plain = getattr(model, "_orig_mod", model)  # what torch.compile returns says nothing of it
    parameters: Mapping[str, Any] = inspect.signature(plain.forward).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return name in parameters or anything
