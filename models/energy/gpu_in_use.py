"""Whether this process computes on a GPU of any kind, whether or not its energy can be read."""

from __future__ import annotations

import sys

from models.energy.nvml import cuda_in_use


def gpu_in_use() -> bool:
    """Return whether PyTorch has used a GPU in this process: of CUDA, ROCm or an Apple computer."""
    return bool(cuda_in_use()) or _mps_in_use()


def _mps_in_use() -> bool:
    torch = sys.modules.get("torch")
    if torch is None or not torch.backends.mps.is_available():
        return False
    return bool(torch.mps.driver_allocated_memory())
