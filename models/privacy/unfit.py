"""What cannot be trained with record privacy: models and workloads that mix records."""

from __future__ import annotations

from collections import Counter

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.own_loop import own_function
from models.workload import Data, Workload, name_of

_OTHER_LAYERS: tuple[tuple[type[nn.Module], str, str], ...] = (
    (
        _BatchNorm,
        "normalises each record by the others of its batch",
        "GroupNorm, or let opacus.validators.ModuleValidator.fix(model) do so",
    ),
    (nn.RNNBase, "hides its steps", "opacus.layers.DPLSTM, DPGRU or DPRNN"),
    (nn.MultiheadAttention, "hides its parts", "opacus.layers.DPMultiheadAttention"),
)
"""Layers whose gradients of single records are not known: why, and what to write in their place."""


def unfit(workload: Workload, model: nn.Module, data: Data | None = None) -> str | None:
    """Return why a workload cannot be trained with record privacy; `None` if nothing shows that.

    Args:
        workload: Whose loss, and perhaps loop.
        model: Its model.
        data: What is trained on; `None` where that is not at hand.
    """
    fault = _of_code(workload) or _of_model(model)
    if fault is None and data is not None and not hasattr(data, "__getitem__"):
        fault = (
            f"its data are an iterable ({type(data).__name__}), of which no record can be sampled "
            "by itself; write a data set with __len__ and __getitem__"
        )
    if fault is None:
        return None
    return (
        f"The workload {name_of(workload)} cannot be trained with record privacy: {fault}. Or "
        "start the run without --privacy record."
    )


def _of_code(workload: Workload) -> str | None:
    if own_function(workload, "train") is not None:
        return "it trains with its own loop, in which no noise would be added; remove train"
    for own in ("training_step", "loader"):
        if hasattr(workload, own):
            return f"its own {own} hides which record does what; remove it"
    if not hasattr(workload, "loss"):
        return (
            "its model returns a loss of the whole batch, and each record needs its own; define "
            "loss(outputs, targets)"
        )
    return None


def _of_model(model: nn.Module) -> str | None:
    for name, layer in model.named_modules():
        for kind, why, instead in _OTHER_LAYERS:
            trains = any(p.requires_grad for p in layer.parameters())
            if isinstance(layer, kind) and (trains or kind is _BatchNorm):
                called = f"{name or 'model'} ({type(layer).__name__})"
                return f"its layer {called} {why}; write {instead} in its place"
    uses = Counter(id(p) for _, p in model.named_parameters(remove_duplicate=False))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and uses[id(parameter)] > 1:
            return f"two of its layers share {name}; give each its own"
    return None
