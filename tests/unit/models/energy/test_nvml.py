"""NVML, injected: a stand-in answers as the driver would, so no test needs a GPU."""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest

from common.messages import EnergyPart
from models.energy.energy_source import Span, Unreadable
from models.energy.nvml import Nvml, cuda_in_use
from tests.unit.models.energy.recorded_nvml import Gpu, NVMLError, RecordedNvml

US, OTHER = 4711, 815
SPAN = Span(wall_s=10.0, cpu_s=1.0)


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def meter(nvml: RecordedNvml, *, in_use: Collection[int] = (), **more: Any) -> Nvml:
    return Nvml(
        nvml, more.pop("environ", {}), pids=lambda: frozenset({US}), in_use=lambda: in_use, **more
    )


def only(parts: tuple[EnergyPart, ...]) -> EnergyPart:
    (part,) = parts
    return part


def test_injected_nvml_the_counter_is_read_at_start_and_stop():
    gpu = Gpu(energy_mj=500_000, pids=[US])
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = 500_000 + 7_200_000  # 7200 J are 2 Wh
    part = only(nvml.stop(SPAN))
    assert part.energy_wh == pytest.approx(2.0, rel=1e-12)
    assert (part.device, part.method, part.quality) == ("gpu", "nvml-counter", "measured")
    assert not any(thread.name == "energy-poller" for thread in threading.enumerate())


def test_injected_nvml_gpus_that_the_task_does_not_use_are_not_charged():
    used, unused = Gpu(pids=[US]), Gpu(uuid="GPU-1", pids=[OTHER])
    nvml = meter(RecordedNvml(used, unused))
    nvml.start()
    used.energy_mj = unused.energy_mj = 3_600_000
    assert only(nvml.stop(SPAN)).energy_wh == pytest.approx(1.0)


def test_injected_nvml_a_task_that_computes_on_the_cpu_has_no_gpu_part():
    gpu = Gpu(pids=[OTHER])
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = 3_600_000
    assert nvml.stop(SPAN) == ()


def test_injected_nvml_a_shared_gpu_is_split_by_sm_utilisation():
    gpu = Gpu(pids=[US, OTHER], sm_percent={US: 60, OTHER: 20})
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = 3_600_000
    part = only(nvml.stop(SPAN))
    assert part.energy_wh == pytest.approx(0.75)
    assert part.quality == "shared"


def test_injected_nvml_a_shared_gpu_without_samples_is_split_equally():
    gpu = Gpu(pids=[US, OTHER, 3, 4])
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = 3_600_000
    part = only(nvml.stop(SPAN))
    assert part.energy_wh == pytest.approx(0.25)
    assert part.quality == "shared"


def test_injected_nvml_a_container_that_knows_no_host_pids_shares_equally_if_it_uses_cuda():
    gpu = Gpu(pids=[70_001, 70_002], sm_percent={70_001: 90, 70_002: 10})
    nvml = meter(RecordedNvml(gpu), in_use={0})
    nvml.start()
    gpu.energy_mj = 3_600_000
    assert only(nvml.stop(SPAN)).energy_wh == pytest.approx(0.5)


def test_injected_nvml_a_container_charges_the_gpu_of_the_site_and_no_other():
    first, second = Gpu(uuid="GPU-1", pids=[70_001]), Gpu(uuid="GPU-2", pids=[70_002])
    nvml = meter(RecordedNvml(first, second), in_use={1})
    nvml.start()
    first.energy_mj, second.energy_mj = 7_200_000, 3_600_000
    part = only(nvml.stop(SPAN))
    assert part.energy_wh == pytest.approx(1.0)
    assert part.quality == "measured"


def test_injected_nvml_older_gpus_power_is_integrated_by_trapezoids():
    gpu, clock = Gpu(energy_mj=None, power_mw=100_000, pids=[US]), Clock()
    nvml = meter(RecordedNvml(gpu), clock=clock)
    nvml.start()
    gpu.power_mw, clock.now_s = 300_000, 36.0
    # From 100 W to 300 W over 36 s: 200 W * 0.01 h.
    part = only(nvml.stop(SPAN))
    assert part.energy_wh == pytest.approx(2.0)
    assert (part.method, part.quality) == ("nvml-power", "measured")


def test_injected_nvml_a_counter_that_begins_anew_is_no_measurement():
    gpu = Gpu(energy_mj=9_000, pids=[US])
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = 10
    with pytest.raises(Unreadable, match="anew"):
        nvml.stop(SPAN)


def test_injected_nvml_a_gpu_that_tells_nothing_is_unreadable():
    with pytest.raises(Unreadable, match="Not Supported"):
        meter(RecordedNvml(Gpu(energy_mj=None, power_mw=None)))


def test_injected_nvml_a_driver_that_is_not_loaded_is_unreadable():
    with pytest.raises(Unreadable, match=r"Driver Not Loaded.*nvidia-smi"):
        meter(RecordedNvml(driver=False))


def test_injected_nvml_a_driver_that_fails_in_the_middle_says_so():
    gpu = Gpu(pids=[US])
    nvml = meter(RecordedNvml(gpu))
    nvml.start()
    gpu.energy_mj = None
    with pytest.raises(NVMLError):
        nvml.stop(SPAN)


def test_injected_nvml_no_visible_gpu_is_no_meter():
    assert not meter(RecordedNvml(Gpu()), environ={"CUDA_VISIBLE_DEVICES": ""})
    assert not meter(RecordedNvml())


def test_a_process_that_has_not_touched_cuda_does_not_use_it():
    assert not cuda_in_use()
