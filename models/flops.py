"""Training FLOPs: floating-point operations for one example, forward and backward.

PyTorch's counter counts matrix products, convolutions and attention, two operations for each
multiplication with its addition. Elementwise operations and the optimizer are not counted. A frozen
layer counts its forward pass, and of the backward pass only what trained layers need.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from common.errors import ends_process
from models.batch import Batch, as_loaded, batch_sizes
from models.forward import training_loss
from models.loader_processes import loader_processes
from models.loading import counted, in_order
from models.moved import moved
from models.seed import seed_generators
from models.workload import Data, Workload, num_examples

_BATCH_SIZE = 32
"""Examples in the batch that is looked at. Longer ones take more FLOPs."""


def flops_per_example(workload: Workload, model: nn.Module, data: Data) -> float | None:
    """Return the FLOPs of training on one example, the mean over the first batch of some data.

    The operations are counted on tensors without values, so they take milliseconds and no memory.

    Args:
        workload: Whose loss.
        model: In training mode; it cannot be used again.
        data: At least one example.

    Returns:
        `None` where the workload's code needs the values of tensors.
    """
    seed_generators(0)
    try:
        with loader_processes():
            size, batch = _first(workload, as_loaded(data))
        return _flops(workload, model, batch) / size
    except (Exception, SystemExit) as error:  # whatever code raises that sees no values
        if ends_process(error):
            raise
        return None


def _first(workload: Workload, data: Data) -> tuple[int, Batch]:
    """Return the first batch of a data set, and how many examples it has."""
    loader = getattr(workload, "loader", None)
    if loader is not None:
        return next(iter(counted(workload, loader(data, _BATCH_SIZE, None))))
    size = batch_sizes(num_examples(workload, data), _BATCH_SIZE)[0]
    return size, next(in_order(data, _BATCH_SIZE, collate=getattr(workload, "collate", None)))


def _flops(workload: Workload, model: nn.Module, batch: Batch) -> int:
    # Imported where they are used: what they load takes a second, unless an optimizer has done it.
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    step = getattr(workload, "training_step", partial(training_loss, workload))
    trained = [p for p in model.parameters() if p.requires_grad]
    on_device = moved(batch, next(model.parameters()).device)
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
        torch.autograd.grad(step(model, on_device), trained, allow_unused=True)
    return int(counter.get_total_flops())
