"""The energy of NVIDIA GPUs from NVML, the driver's own interface.

From Volta on a GPU counts its millijoules since the driver was loaded; older ones report their
power, which is integrated. Both cover the whole card: https://docs.nvidia.com/deploy/nvml-api/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.extras import how_to_install
from common.messages import EnergyPart
from models.energy.energy_source import SECONDS_PER_HOUR, Span, Unreadable
from models.energy.gpus import own_share, users, visible_gpus
from models.energy.poller import Poller
from models.energy.processes import pids

_MJ_PER_J = 1000.0
_MW_PER_W = 1000.0
_POLL_S = 0.25

_DRIVER = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""One of these is there if NVIDIA's driver is: on Linux, and in Windows' Linux."""


def cuda_in_use() -> frozenset[int]:
    """Return the numbers of the GPUs on which this process has had memory of PyTorch.

    They count as CUDA does. Neither PyTorch nor CUDA is loaded for it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return frozenset()
    every = range(torch.cuda.device_count())
    return frozenset(number for number in every if torch.cuda.max_memory_reserved(number))


@dataclass
class _Gpu:
    """One GPU: whether it counts energy, and what it has used since the start."""

    handle: Any
    counts: bool
    begun_mj: int = 0
    used_j: float = 0.0
    power_w: float = 0.0
    power_at_s: float = 0.0


class Nvml:
    """Reads the GPUs that CUDA shows this process."""

    name = "nvml"

    def __init__(
        self,
        nvml: Any,
        environ: Mapping[str, str],
        *,
        pids: Callable[[], frozenset[int]] = pids,
        in_use: Callable[[], Collection[int]] = cuda_in_use,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Find out what the GPUs offer. To be called after the process was forked.

        Args:
            nvml: The module `pynvml`.
            environ: The process's environment.
            pids: Returns the task's processes.
            in_use: Returns which of the visible GPUs this process has used, from 0.
            clock: Monotonic seconds.

        Raises:
            Unreadable: If no GPU is visible, or one of them reports neither energy nor power.
        """
        self._nvml, self._pids, self._in_use, self._clock = nvml, pids, in_use, clock
        try:
            nvml.nvmlInit()
            handles = visible_gpus(nvml, environ)
            self._gpus = [_Gpu(handle, counts=self._counts(handle)) for handle in handles]
        except nvml.NVMLError as error:
            msg = (
                f"NVIDIA's driver does not report the energy of its GPUs ({error}), so they are in "
                "no figure. Try nvidia-smi; if they are metered elsewhere, set "
                "FAIRWIND_GPU_METER=off."
            )
            raise Unreadable(msg) from error
        self._since_us = 0
        self._poller = Poller(self._integrate, _POLL_S)

    def __bool__(self) -> bool:
        """Whether CUDA shows this process any GPU."""
        return bool(self._gpus)

    @property
    def method(self) -> str:
        """How energy is found: by a counter, or by power on at least one GPU."""
        return "nvml-counter" if all(gpu.counts for gpu in self._gpus) else "nvml-power"

    def start(self) -> None:
        """Read every GPU."""
        self._since_us = time.time_ns() // 1000
        now_s = self._clock()
        for gpu in self._gpus:
            gpu.used_j = 0.0
            if gpu.counts:
                gpu.begun_mj = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle)
            else:
                gpu.power_w, gpu.power_at_s = self._power_w(gpu), now_s
        if not all(gpu.counts for gpu in self._gpus):
            self._poller.start()

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:  # noqa: ARG002 - GPUs have no use for it
        """Return the task's part of what the GPUs it used have used.

        Raises:
            NVMLError: If the driver no longer answers.
            Unreadable: If a counter has begun anew.
        """
        self._poller.stop()
        self._integrate()
        for gpu in self._gpus:
            if gpu.counts:
                gpu.used_j = self._counted_j(gpu)
        ours = self._pids()
        used = self._used(ours)
        if not used:
            return ()
        shares = [own_share(self._nvml, gpu.handle, ours, self._since_us) for gpu in used]
        used_j = sum(gpu.used_j * share for gpu, (share, _) in zip(used, shares, strict=True))
        shared = any(others for _, others in shares)
        return (
            EnergyPart(
                device="gpu",
                energy_wh=used_j / SECONDS_PER_HOUR,
                method=self.method,
                quality="shared" if shared else "measured",
            ),
        )

    def _used(self, ours: frozenset[int]) -> list[_Gpu]:
        """Return the GPUs that the task has used: those that name one of its processes.

        A driver that names none of them may know them by other numbers, as in a container. Then
        those count on which PyTorch has had memory.
        """
        used = [gpu for gpu in self._gpus if users(self._nvml, gpu.handle) & ours]
        numbers = self._in_use()
        return used or [gpu for number, gpu in enumerate(self._gpus) if number in numbers]

    def _counts(self, handle: Any) -> bool:
        try:
            self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except self._nvml.NVMLError:
            self._nvml.nvmlDeviceGetPowerUsage(handle)
            return False
        return True

    def _counted_j(self, gpu: _Gpu) -> float:
        now_mj: int = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle)
        if now_mj < gpu.begun_mj:
            msg = "a GPU's energy counter has begun anew"
            raise Unreadable(msg)
        return (now_mj - gpu.begun_mj) / _MJ_PER_J

    def _power_w(self, gpu: _Gpu) -> float:
        power_mw: int = self._nvml.nvmlDeviceGetPowerUsage(gpu.handle)
        return power_mw / _MW_PER_W

    def _integrate(self) -> None:
        """Add what GPUs without a counter used since the last look, by the trapezoidal rule."""
        now_s = self._clock()
        for gpu in self._gpus:
            if not gpu.counts:
                power_w = self._power_w(gpu)
                gpu.used_j += (gpu.power_w + power_w) / 2 * (now_s - gpu.power_at_s)
                gpu.power_w, gpu.power_at_s = power_w, now_s


def has_driver() -> bool:
    """Return whether this machine has NVIDIA's driver."""
    return any(path.exists() for path in _DRIVER)


def load_nvml() -> Any | None:
    """Return the module `pynvml`, `None` where no NVIDIA driver is.

    Raises:
        Unreadable: If there is a driver, but the package is missing.
    """
    if not has_driver():
        return None
    try:
        import pynvml  # noqa: PLC0415 - an extra, and only where there is a GPU
    except ImportError as error:
        msg = (
            "This machine has an NVIDIA driver, but its GPUs cannot be metered, so they are in no "
            f"figure. Install it, {how_to_install('gpu')}"
        )
        raise Unreadable(msg) from error
    return pynvml
