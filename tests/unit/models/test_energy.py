from __future__ import annotations

import time

import pytest

from models.energy import CpuMeter


def burn(seconds: float) -> float:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
    return time.process_time() - start


def test_energy_is_cpu_seconds_times_watts_times_pue() -> None:
    with CpuMeter(watts_per_core=36.0, pue=1.5) as meter:
        spent_s = burn(0.05)
    assert meter.energy is not None
    assert meter.energy.energy_wh == pytest.approx(spent_s * 36.0 * 1.5 / 3600, rel=0.05)
    assert (meter.energy.method, meter.energy.quality) == ("cpu-seconds", "modelled")


def test_sleep_costs_next_to_nothing() -> None:
    with CpuMeter(3600.0, 1.0) as meter:
        time.sleep(0.05)
    assert meter.energy is not None
    assert meter.energy.energy_wh < 0.01


def test_failed_work_is_measured_too() -> None:
    meter = CpuMeter(4.0, 1.0)
    with pytest.raises(KeyError), meter:
        raise KeyError
    assert meter.energy is not None


def test_meter_is_used_again_from_zero() -> None:
    meter = CpuMeter(3600.0, 1.0)
    with meter:
        burn(0.03)
    with meter:
        pass
    assert meter.energy is not None
    assert meter.energy.energy_wh < 0.01
