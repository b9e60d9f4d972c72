"""Which meters a machine offers, which a site uses, and what it is told about them."""

from typing import Any

import pytest

from common.settings import Settings
from models.energy import make_meter
from models.energy.findings import meter_findings
from models.energy.source_choice import choose_sources
from tests.unit.models.energy.recorded_nvml import Gpu, RecordedNvml
from tests.unit.models.energy.recorded_rapl import write_zone


@pytest.fixture
def site(tmp_path):
    """Return a function that gives the settings of a site; its RAPL folder is empty at first."""

    def make(**settings: Any) -> Settings:
        return Settings(**({"rapl_path": tmp_path} | settings))

    return make


def with_rapl(settings: Settings) -> Settings:
    write_zone(settings.rapl_path / "intel-rapl:0", "package-0", 1)
    return settings


def names(settings: Settings, nvml: RecordedNvml | None = None) -> str:
    return choose_sources(settings, environ={}, nvml=nvml).names


def test_a_machine_without_meters_is_modelled(site):
    choice = choose_sources(site(), environ={})
    assert (choice.names, choice.problems) == ("cpu", ())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "rapl+cpu+nvml"),
        ({"memory_w_per_gb": 0.375}, "rapl+cpu+nvml+memory"),
        ({"gpu_meter": "off"}, "rapl+cpu"),
        ({"meter": "cpu"}, "cpu+nvml"),
        ({"meter": "rapl"}, "rapl+cpu+nvml"),
        ({"meter": "constant", "constant_w": 90.0}, "constant"),
    ],
)
def test_settings_choose_among_recorded_counters_and_injected_nvml(site, settings, expected):
    assert names(with_rapl(site(**settings)), RecordedNvml(Gpu())) == expected


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"meter": "rapl"}, "FAIRWIND_RAPL_PATH"),
        ({"meter": "constant"}, "Set FAIRWIND_CONSTANT_W."),
    ],
)
def test_a_meter_that_is_asked_for_and_cannot_be_had_is_replaced_and_told(site, settings, remedy):
    choice = choose_sources(site(**settings), environ={})
    assert choice.names == "cpu"
    (problem,) = choice.problems
    assert remedy in problem


def test_a_gpu_that_cannot_be_read_is_told():
    choice = choose_sources(Settings(), environ={}, nvml=RecordedNvml(driver=False))
    assert choice.names == "cpu"
    assert "FAIRWIND_GPU_METER=off" in choice.problems[0]


def test_a_meter_is_made_from_settings_alone(site):
    with make_meter(site(meter="constant", constant_w=1.0)) as meter:
        pass
    assert meter.energy is not None
    assert meter.energy.method == "constant"


def test_findings_name_the_model_and_how_to_get_a_better_meter(site, tmp_path):
    used, better, left_out = meter_findings(site(watts_per_core=5.5, pue=1.4))
    assert used == (
        "ok", "Energy: processors are modelled at 5.5 W a busy core, all times a PUE of 1.4."
    )  # fmt: skip
    assert better[0] == "ok"
    assert str(tmp_path) in better[1]
    assert "FAIRWIND_IDLE_W" in left_out[1]
    assert "FAIRWIND_PUE" not in left_out[1]


def test_findings_name_the_meters_that_are_read(site):
    stated = {"pue": 1.1, "idle_w": 9.0, "embodied_kgco2eq": 700.0, "memory_w_per_gb": 0.375}
    findings = meter_findings(with_rapl(site(**stated)), nvml=RecordedNvml(Gpu()))
    expected = (
        "Energy: processors are measured by RAPL, GPUs are measured by NVML, memory is modelled "
        "at 0.375 W per GB, all times a PUE of 1.1."
    )
    assert findings == [("ok", expected)]


def test_findings_warn_of_what_is_there_but_cannot_be_read(site):
    settings = with_rapl(site())
    (settings.rapl_path / "intel-rapl:0" / "energy_uj").write_text("garbage")
    levels = [level for level, _ in meter_findings(settings)]
    assert levels == ["ok", "warning", "ok"]


def test_findings_of_a_constant_site_are_its_watts(site):
    settings = site(meter="constant", constant_w=120.0, gpu_meter="off")
    assert meter_findings(settings)[0] == (
        "ok", "Energy: the whole site counts 120 W while it trains, all times a PUE of 1."
    )  # fmt: skip
