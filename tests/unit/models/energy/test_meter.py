"""A meter: the best source for each device, and no harm to the training whatever happens."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.messages import Energy
from common.settings import Settings
from models.energy.constant import Constant
from models.energy.cpu import Cpu
from models.energy.energy_source import EnergySource
from models.energy.memory import MemoryEnergy
from models.energy.meter import Meter
from models.energy.nvml import Nvml
from models.energy.rapl import Rapl, find_counters
from tests.unit.models.energy.recorded_nvml import Gpu, RecordedNvml
from tests.unit.models.energy.recorded_rapl import tick, write_zone
from tests.unit.models.energy.test_processes import burn

US = 4711


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def gpu_source(gpu: Gpu) -> Nvml:
    return Nvml(RecordedNvml(gpu), {}, pids=lambda: frozenset({US}), in_use=lambda: {0})


def rapl_source(folder: Path) -> tuple[Rapl, Path]:
    zone = write_zone(folder / "intel-rapl:0", "package-0", 0)
    return Rapl(find_counters(folder), host_busy_s=lambda: 0.0), zone


def closed(meter: Meter) -> Energy:
    energy = meter.stop()
    assert energy is not None
    return energy


def constant_meter(clock: Clock, **settings: float) -> Meter:
    return Meter([Constant(100.0)], Settings(**settings), clock=clock)  # type: ignore[arg-type]


def test_constant_power_times_seconds_times_pue():
    clock = Clock()
    meter = constant_meter(clock, pue=1.5)
    with meter:
        clock.now_s += 36.0
    # 100 W for 0.01 h are 1 Wh, and 1.5 Wh at the wall.
    assert meter.energy is not None
    assert meter.energy.energy_wh == pytest.approx(1.5, rel=1e-12)
    assert [part.energy_wh for part in meter.energy.parts] == [pytest.approx(1.0)]
    assert (meter.energy.method, meter.energy.quality) == ("constant", "constant")


def test_waiting_is_counted_apart_from_the_last_answer_on():
    clock = Clock()
    meter = constant_meter(clock, idle_w=50.0, pue=1.2)
    clock.now_s += 72.0
    with meter:
        clock.now_s += 36.0
    first = closed(meter)
    # 50 W for 0.02 h are 1 Wh, and 1.2 Wh at the wall.
    assert first.idle_s == 72.0
    assert first.idle_wh == pytest.approx(1.2)
    assert first.energy_wh == pytest.approx(1.2)
    clock.now_s += 7.0
    with meter:
        pass
    assert closed(meter).idle_s == 7.0


def test_idle_energy_is_unknown_where_the_site_does_not_say():
    clock = Clock()
    meter = constant_meter(clock)
    clock.now_s += 5.0
    with meter:
        pass
    assert (closed(meter).idle_s, closed(meter).idle_wh) == (5.0, None)


def test_embodied_emissions_follow_the_sci_specification():
    clock = Clock()
    stated = {"embodied_kgco2eq": 876.0, "embodied_lifetime_h": 8760.0, "embodied_share": 0.25}
    meter = constant_meter(clock, **stated)
    with meter:
        clock.now_s += 3600.0
    # 876 kg over 8760 h are 100 g an hour, a quarter of them ours.
    assert closed(meter).embodied_gco2eq == pytest.approx(25.0)
    unsaid = constant_meter(clock)
    with unsaid:
        clock.now_s += 3600.0
    assert closed(unsaid).embodied_gco2eq is None


def test_energy_is_the_sum_of_all_devices_times_the_pue_once_as_sure_as_the_least_sure(tmp_path):
    rapl, zone = rapl_source(tmp_path)
    gpu = Gpu(pids=[US])
    meter = Meter([rapl, gpu_source(gpu), Cpu(4.0)], Settings(pue=1.5))
    with meter:
        burn(0.01)
        tick(zone, 3600.0)
        gpu.energy_mj = 7_200_000
    energy = closed(meter)
    assert energy.energy_wh == pytest.approx((1.0 + 2.0) * 1.5)
    assert (energy.method, energy.quality) == ("rapl+nvml-counter", "shared")
    assert [part.device for part in energy.parts] == ["cpu", "gpu"]


def test_a_source_that_fails_in_the_middle_is_replaced_for_the_whole_task_and_named(tmp_path):
    rapl, zone = rapl_source(tmp_path)
    meter = Meter([rapl, Cpu(3600.0)], Settings())
    with meter:
        burn(0.05)
        (zone / "energy_uj").unlink()
    energy = closed(meter)
    assert energy.energy_wh == pytest.approx(0.05, rel=0.5)  # 3600 W: 1 Wh a second
    assert (energy.method, energy.quality) == ("cpu-seconds (rapl failed)", "modelled")
    assert not any(thread.name == "energy-poller" for thread in threading.enumerate())


def test_a_source_that_fails_at_the_start_is_replaced_and_used_again_once_it_answers(tmp_path):
    rapl, zone = rapl_source(tmp_path)
    aside = (zone / "energy_uj").rename(tmp_path / "aside")
    meter = Meter([rapl, Cpu(4.0)], Settings())
    with meter:
        pass
    assert closed(meter).method == "cpu-seconds (rapl failed)"
    aside.rename(zone / "energy_uj")
    with meter:
        tick(zone, 36.0)
    assert closed(meter).method == "rapl"


@pytest.mark.parametrize(
    ("in_use", "method"), [(True, "cpu-seconds (gpu unread)"), (False, "cpu-seconds")]
)
def test_work_on_a_gpu_that_nobody_reads_is_said(in_use, method):
    meter = Meter([Cpu(4.0)], Settings(), gpu_in_use=lambda: in_use)
    with meter:
        pass
    assert closed(meter).method == method


def test_a_gpu_that_fails_in_the_middle_is_said(tmp_path):
    gpu = Gpu(pids=[US])
    meter = Meter([gpu_source(gpu), Cpu(4.0)], Settings(), gpu_in_use=lambda: True)
    with meter:
        gpu.energy_mj = None
    assert closed(meter).method == "cpu-seconds (nvml failed, gpu unread)"


def test_memory_is_watts_per_gigabyte_held():
    clock = Clock()
    sources: list[EnergySource] = [MemoryEnergy(0.375), Cpu(4.0)]
    meter = Meter(sources, Settings(), clock=clock)
    with meter:
        clock.now_s += 3600.0
    memory = closed(meter).parts[0]
    assert (memory.device, memory.method, memory.quality) == ("memory", "rss", "modelled")
    # A Python process with torch holds between 10 MB and 100 GB.
    assert 0.375 * 0.01 < memory.energy_wh < 0.375 * 100


def test_memory_that_rapl_counts_is_not_modelled_as_well(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    write_zone(package / "intel-rapl:0:0", "dram", 0)
    rapl = Rapl(find_counters(tmp_path))
    meter = Meter([rapl, MemoryEnergy(1.0), Cpu(4.0)], Settings())
    with meter:
        tick(package, 1.0)
    assert closed(meter).method == "rapl+rapl-dram"


def test_failed_work_is_measured_too():
    meter = Meter([Cpu(4.0)], Settings())
    with pytest.raises(KeyError), meter:
        raise KeyError
    assert meter.energy is not None


def test_stopping_twice_gives_the_same_energy():
    meter = Meter([Cpu(4.0)], Settings())
    meter.start()
    burn(0.01)
    first = meter.stop()
    burn(0.01)
    assert meter.stop() is first


def test_each_task_is_measured_from_zero():
    meter = Meter([Cpu(3600.0)], Settings())
    with meter:
        burn(0.03)
    with meter:
        assert meter.energy is None
    assert closed(meter).energy_wh < 0.01


def test_whatever_a_meter_stumbles_over_training_goes_on_and_its_energy_is_unknown():
    def broken() -> bool:
        raise RuntimeError

    meter = Meter([Cpu(4.0)], Settings(), gpu_in_use=broken)
    with meter:
        pass
    assert meter.energy is None
