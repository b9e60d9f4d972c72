"""A stand-in for NVML: answers as the driver's interface does, from figures written down here."""

# ruff: noqa: N802 - the driver's names

from dataclasses import dataclass, field
from types import SimpleNamespace


class NVMLError(Exception):
    """What the driver raises, for whatever reason; the docstring is the driver's text."""

    def __str__(self) -> str:
        return str(self.__doc__)


class DriverNotLoadedError(NVMLError):
    """Driver Not Loaded."""


class NotFoundError(NVMLError):
    """Not Found."""


class NotSupportedError(NVMLError):
    """Not Supported."""


@dataclass
class Gpu:
    """One GPU. `None` is what this GPU does not support."""

    uuid: str = "GPU-0a1b2c3d-0000-0000-0000-000000000000"
    energy_mj: int | None = 0
    power_mw: int | None = 0
    pids: list[int] = field(default_factory=list)
    sm_percent: dict[int, int] | None = None
    mig: bool = False


class RecordedNvml:
    """The functions of the module `pynvml` that a meter calls."""

    NVMLError = NVMLError

    def __init__(self, *gpus: Gpu, driver: bool = True) -> None:
        self.gpus = list(gpus)
        self.driver = driver

    def nvmlInit(self) -> None:
        if not self.driver:
            raise DriverNotLoadedError

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: Gpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetMigMode(self, gpu: Gpu) -> list[int]:
        return [int(gpu.mig), int(gpu.mig)]

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: Gpu) -> int:
        return self._supported(gpu.energy_mj)

    def nvmlDeviceGetPowerUsage(self, gpu: Gpu) -> int:
        return self._supported(gpu.power_mw)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Gpu) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=1 << 30) for pid in gpu.pids]

    def nvmlDeviceGetProcessUtilization(self, gpu: Gpu, since_us: int) -> list[SimpleNamespace]:
        if not gpu.sm_percent:
            raise NotFoundError
        return [
            SimpleNamespace(pid=pid, timeStamp=since_us + 1, smUtil=percent)
            for pid, percent in gpu.sm_percent.items()
        ]

    @staticmethod
    def _supported(figure: int | None) -> int:
        if figure is None:
            raise NotSupportedError
        return figure
