"""Which GPUs a process may use, asked of an injected NVML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.energy.energy_source import Unreadable
from models.energy.gpus import own_share, visible_gpus
from tests.unit.models.energy.recorded_nvml import Gpu, RecordedNvml

GPUS = [Gpu(uuid=f"GPU-{letter * 4}-0000") for letter in "abc"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, [0, 1, 2]),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("", []),
        ("-1", []),
        ("0,-1,2", [0]),
        ("0,7,1", [0]),
        ("GPU-bbbb-0000", [1]),
        ("GPU-b", [1]),
        ("GPU-", []),
        ("GPU-c,0", [2, 0]),
        ("nonsense", []),
    ],
)
def test_injected_nvml_cuda_visible_devices_is_honoured(setting, expected):
    environ = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    visible = visible_gpus(RecordedNvml(*GPUS), environ)
    assert visible == [GPUS[index] for index in expected]


def test_injected_nvml_parts_of_a_gpu_are_not_metered():
    nvml = RecordedNvml(Gpu(mig=True))
    with pytest.raises(Unreadable, match="MIG"):
        visible_gpus(nvml, {})
    with pytest.raises(Unreadable, match="MIG"):
        visible_gpus(nvml, {"CUDA_VISIBLE_DEVICES": "MIG-1234"})


@given(percents=st.dictionaries(st.integers(1, 99), st.integers(1, 100), min_size=1, max_size=9))
def test_injected_nvml_the_shares_of_all_processes_are_the_whole_gpu(percents):
    for samples in (percents, None):
        gpu = Gpu(pids=list(percents), sm_percent=samples)
        nvml = RecordedNvml(gpu)
        shares = [own_share(nvml, gpu, frozenset({pid}), since_us=0)[0] for pid in percents]
        assert sum(shares) == pytest.approx(1.0)


def test_injected_nvml_a_task_of_several_processes_alone_on_a_gpu_shares_with_nobody():
    gpu = Gpu(pids=[1, 2])
    assert own_share(RecordedNvml(gpu), gpu, frozenset({1, 2, 3}), since_us=0) == (1.0, False)


def test_injected_nvml_a_task_that_rested_at_the_end_is_not_taken_for_idle():
    gpu = Gpu(pids=[1, 2], sm_percent={2: 100})
    assert own_share(RecordedNvml(gpu), gpu, frozenset({1}), since_us=0) == (0.5, True)
