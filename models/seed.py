"""Seeds: every generator a workload may draw from, set at once."""

from __future__ import annotations

import random
import sys
from functools import cache

import torch


def seed_generators(seed: int) -> None:
    """Seed torch (all devices), Python's `random` and, where it is loaded, numpy's global state.

    Args:
        seed: At least 0, below 2**63.
    """
    if _has_devices():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        import numpy as np  # noqa: PLC0415 - a site whose workload needs no numpy need not load it

        np.random.seed(seed % 2**32)  # noqa: NPY002 - user code draws from the global state


def _has_devices() -> bool:
    """Return whether torch may compute on anything but the processor.

    Where it may not, `torch.manual_seed` still notes for each kind of device, with a traceback,
    what to do once there is one. That takes longer than to build a small model.
    """
    return _has_known_devices() or torch._C._get_privateuse1_backend_name() != "privateuseone"  # noqa: SLF001 - torch has no other way to ask for a device that a plug-in brings


@cache
def _has_known_devices() -> bool:
    kinds = torch.cuda, torch.mps, torch.xpu, torch.mtia
    return any(kind.device_count() > 0 for kind in kinds)
