"""What a new model costs that every training and every evaluation starts from."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.timing import least_s
from models.training import warm_up
from models.update import load_state, model_state

_REPEATS = 3


def linear_stack() -> nn.Module:
    """Return 100 million parameters in forty linear layers."""
    return nn.Sequential(*[nn.Linear(1581, 1581) for _ in range(40)])


def transformer() -> nn.Module:
    """Return 99 million parameters in fourteen encoder layers."""
    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
    return nn.TransformerEncoder(layer, 14)


def measure_model() -> None:
    """Print seconds of a new model, a copy, loading a version, and a step; the least of three."""
    warm_up(1)
    for make, shape in ((linear_stack, (128, 1581)), (transformer, (8, 16, 768))):
        model, inputs = make(), torch.randn(*shape)
        state = model_state(model)
        count = sum(parameter.numel() for parameter in model.parameters())
        cases: dict[str, Callable[[], object]] = {
            "new": make,
            "copy": partial(deepcopy, model),
            "load": partial(load_state, model, state),
            "one step": partial(_step, model, inputs),
        }
        figures = ", ".join(
            f"{name} {least_s(work, repeats=_REPEATS):.2f} s" for name, work in cases.items()
        )
        print(f"{make.__name__}, {count / 1e6:.0f} M parameters, one core: {figures}")


def _step(model: nn.Module, inputs: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    model(inputs).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
