"""Which NVIDIA GPUs a process may use, and how much of each is its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.energy.energy_source import Unreadable


def visible_gpus(nvml: Any, environ: Mapping[str, str]) -> list[Any]:
    """Return NVML's handles of the GPUs that CUDA shows this process.

    Honours CUDA_VISIBLE_DEVICES as CUDA does: indices or (shortened) UUIDs, and what follows the
    first that does not exist is ignored. Indices count as NVML counts, which is CUDA's order if all
    GPUs are alike or CUDA_DEVICE_ORDER is PCI_BUS_ID.

    Args:
        nvml: The module `pynvml`, initialised.
        environ: The process's environment.

    Raises:
        Unreadable: If a part of a GPU (MIG) is meant, whose energy no counter covers.
    """
    every = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        chosen = every
    else:
        chosen = []
        for name in wanted.split(","):
            found = _named(nvml, every, name.strip())
            if found is None:
                break
            chosen.append(found)
    if (wanted or "").startswith("MIG-") or any(_is_split(nvml, gpu) for gpu in chosen):
        msg = (
            "This GPU is divided into MIG instances, whose energy NVIDIA does not count one by "
            "one, so GPUs are in no figure. Measure them elsewhere, or undo the division."
        )
        raise Unreadable(msg)
    return chosen


def own_share(nvml: Any, gpu: Any, pids: frozenset[int], since_us: int) -> tuple[float, bool]:
    """Return the share of a GPU that is a task's, and whether others used it, too.

    By SM utilisation, of the samples the driver still holds from the task's time (the last seconds
    of it); where there are none, equal parts for all processes on the GPU. In a container the
    driver may name processes as the host does: then ours cannot be distinguished from others, and
    the parts are equal.

    Args:
        nvml: The module `pynvml`, initialised.
        gpu: Its handle.
        pids: The task's processes.
        since_us: When the task began, microseconds since 1970.
    """
    running = users(nvml, gpu)
    ours = running & pids
    if len(running) <= max(1, len(ours)):
        return 1.0, False
    samples = _samples(nvml, gpu, since_us)
    own_percent = sum(percent for pid, percent in samples if pid in pids)
    if own_percent:
        return own_percent / sum(percent for _, percent in samples), True
    return max(1, len(ours)) / len(running), True


def users(nvml: Any, gpu: Any) -> frozenset[int]:
    """Return the ids of the processes that compute on a GPU."""
    return frozenset(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(gpu))


def _named(nvml: Any, every: list[Any], name: str) -> Any | None:
    if name.isdecimal():
        return every[int(name)] if int(name) < len(every) else None
    found = [gpu for gpu in every if name and nvml.nvmlDeviceGetUUID(gpu).startswith(name)]
    return found[0] if len(found) == 1 else None


def _is_split(nvml: Any, gpu: Any) -> bool:
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(gpu)
    except nvml.NVMLError:  # GPUs that know no MIG
        return False
    return bool(current)


def _samples(nvml: Any, gpu: Any, since_us: int) -> list[tuple[int, int]]:
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(gpu, since_us)
    except nvml.NVMLError:  # none in that time, or not on this GPU
        return []
    return [(sample.pid, sample.smUtil) for sample in samples]
