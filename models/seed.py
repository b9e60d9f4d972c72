"""Seeds: every generator a workload may draw from, set at once."""

from __future__ import annotations

import random
import sys

import torch


def seed_generators(seed: int) -> None:
    """Seed torch (all devices), Python's `random` and, where it is loaded, numpy's global state.

    Args:
        seed: At least 0, below 2**63.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        import numpy as np  # noqa: PLC0415 - a site whose workload needs no numpy need not load it

        np.random.seed(seed % 2**32)  # noqa: NPY002 - user code draws from the global state
