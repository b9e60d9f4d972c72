"""Mixed precision: 16-bit arithmetic where it does no harm, float32 parameters throughout.

Micikevicius, Narang, Alben, Diamos, Elsen, Garcia, Ginsburg, Houston, Kuchaiev, Venkatesh and Wu,
"Mixed Precision Training", ICLR 2018, https://arxiv.org/abs/1710.03740: float32 master weights
(section 3.1) and loss scaling (section 3.2). bfloat16 has the exponents of float32 and needs no
scaling: Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", 2019,
https://arxiv.org/abs/1905.12322.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from common.errors import WorkloadError
from common.hyperparameters import Precision

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

_FIRST_SCALE = 2.0**10
"""PyTorch begins at 2**16 and halves until nothing overflows. A scale that is new in every
assignment would skip its first steps each time."""


class MixedPrecision:
    """How the steps of one assignment compute. For fp32 it changes nothing.

    The scale of losses is new for every assignment: the result depends on the assignment alone.
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        """Begin with the first scale.

        Args:
            precision: The run's.
            device: The model's.
        """
        self._device = device
        self._dtype = _DTYPES.get(precision)
        self._scaler = (
            GradScaler(device.type, init_scale=_FIRST_SCALE) if precision == "fp16" else None
        )

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which a loss is computed."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, scaled, to those of the parameters."""
        if self._scaler is not None:
            loss = self._scaler.scale(loss.float())
        loss.backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: Optimizer) -> None:
        """Undo the scale of gradients: before they are clipped, or anything is added to them."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer) -> bool:
        """Take a step, unless a gradient overflowed; return whether it was taken.

        The scale is halved after a step that was skipped, and doubled after many that were not.
        """
        if self._scaler is None:
            optimizer.step()
            return True
        before = self._scaler.get_scale()
        self._scaler.step(optimizer)
        self._scaler.update()
        return 0.0 < before <= self._scaler.get_scale()


def check_masters(model: nn.Module, precision: Precision) -> None:
    """Check that a model can be trained in a precision: what is trained must be float32.

    A parameter of 16 bits loses small steps: in bfloat16, 1 + 0.003 is 1.

    Raises:
        WorkloadError: If it cannot.
    """
    if precision == "fp32":
        return
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype in _DTYPES.values():
            kind = str(parameter.dtype).removeprefix("torch.")
            msg = (
                f"The model's {name} is {kind}, and {precision} trains float32 parameters, as "
                "16 bits lose small steps. So nothing is trained. Let model() return float32 "
                "parameters, or leave out --precision."
            )
            raise WorkloadError(msg)
