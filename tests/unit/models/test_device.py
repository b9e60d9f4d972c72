"""Devices: chosen after the fork, refused in one line, and the same training on each of them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from common.errors import SettingError
from common.hyperparameters import Hyperparameters, Precision
from common.settings import Settings
from models.device import (
    CPU,
    Device,
    choose_device,
    make_deterministic,
    nondeterministic,
    release_memory,
    tried,
)
from models.device_environment import prepare_environment
from models.evaluation import evaluate
from models.local_result import LocalResult
from models.model_factory import ModelFactory
from models.training import Trainer
from models.update import State, model_state
from tests.gpu import EACH, KINDS, is_there, why_skipped

WITHOUT = [kind for kind in KINDS if not is_there(kind)]


@pytest.fixture(params=EACH)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Give each device in turn, as a site uses it; a GPU that is not there skips the test."""
    kind: str = request.param
    benchmark = torch.backends.cudnn.benchmark
    chosen = choose_device(kind)
    make_deterministic(chosen.torch)
    yield chosen
    release_memory(chosen.torch)
    torch.use_deterministic_algorithms(mode=False)
    torch.backends.cudnn.benchmark = benchmark


def trained(
    device: Device, workload: Any, base: State | None = None, **asked: Any
) -> tuple[Trainer, LocalResult]:
    torch.manual_seed(3)
    start = base if base is not None else model_state(workload.model())
    trainer = Trainer(workload, "a", device=device.torch)
    hyperparameters = Hyperparameters.model_validate(asked)
    return trainer, trainer.train(start, hyperparameters=hyperparameters, seed=7, scores=True)


def test_model_and_batch_are_on_the_device_and_the_update_is_not(
    make_workload: Any, device: Device
) -> None:
    seen = set()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            seen.update({outputs.device, targets.device})
        return nn.functional.mse_loss(outputs, targets)

    _, result = trained(device, make_workload(loss=loss))
    assert seen == {device.torch}
    assert {delta.device.type for delta in result.delta.values()} == {"cpu"}


class Words(Dataset[Any]):
    """Items that are mappings, one in the other."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        x = torch.full((3,), float(index))
        return {"inputs": {"x": x}, "target": x.sum(), "name": f"row {index}"}


def test_a_training_step_of_the_users_finds_nested_batches_on_the_device(
    make_workload: Any, device: Device
) -> None:
    def training_step(model: nn.Module, batch: dict[str, Any]) -> Tensor:
        assert batch["inputs"]["x"].device == batch["target"].device == device.torch
        assert len(batch["name"]) == len(batch["target"])
        outputs = model(batch["inputs"]["x"]).squeeze(1)
        return nn.functional.mse_loss(outputs, batch["target"])

    workload = make_workload(train_data=lambda _: Words(), training_step=training_step)
    _, result = trained(device, workload, batch_size=2, learning_rate=0.001)
    assert result.num_steps == 3


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_same_assignment_gives_the_same_bits_warm_and_cold(
    make_workload: Any, device: Device, precision: Precision
) -> None:
    if precision in device.unfit:
        pytest.skip(f"{device.name}: {device.unfit[precision]}")
    asked = {"epochs": 2, "precision": precision, "optimizer": "adam"}
    base = model_state(make_workload().model())
    trainer, cold = trained(device, make_workload(), base, **asked)
    hyperparameters = Hyperparameters.model_validate(asked)
    warm = trainer.train(base, hyperparameters=hyperparameters, seed=7)
    _, again = trained(device, make_workload(), base, **asked)
    for name, delta in cold.delta.items():
        assert torch.equal(delta, warm.delta[name]), name
        assert torch.equal(delta, again.delta[name]), name


def test_a_device_learns_what_the_processor_does(make_workload: Any, device: Device) -> None:
    workload = make_workload(model=lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)))
    base = model_state(workload.model())
    _, there = trained(device, workload, base)
    _, here = trained(CPU, workload, base)
    for name, delta in here.delta.items():
        assert torch.allclose(there.delta[name], delta, rtol=1e-3, atol=1e-5), name


def test_a_state_that_was_trained_on_a_device_is_scored_on_the_processor(
    make_workload: Any, device: Device
) -> None:
    workload = make_workload()
    state = model_state(ModelFactory(workload, device=device.torch).new())
    assert {tensor.device.type for tensor in state.values()} == {"cpu"}
    here = evaluate(workload, ModelFactory(workload).new(), state, workload.test_data())
    there = ModelFactory(workload, device=device.torch).new()
    found = evaluate(workload, there, state, workload.test_data())
    assert found == pytest.approx(here, rel=1e-3)


def test_held_out_data_are_scored_on_the_device(make_workload: Any, device: Device) -> None:
    seen = set()

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.add(x.device)
            return super().forward(x)

    data = TensorDataset(torch.ones(4, 3), torch.ones(4, 1))
    workload = make_workload(
        model=lambda: Watched(3, 1), test_data=lambda: None, held_out_data=lambda _: data
    )
    _, result = trained(device, workload)
    assert seen == {device.torch}
    assert set(result.metrics) == {"loss", "mae"}


@pytest.mark.gpu
@pytest.mark.skipif("cuda" in WITHOUT, reason=why_skipped("cuda"))
def test_auto_is_the_first_gpu_of_cuda() -> None:
    assert choose_device("auto").torch == choose_device("cuda").torch == torch.device("cuda", 0)


@pytest.mark.gpu
@pytest.mark.skipif("cuda" in WITHOUT, reason=why_skipped("cuda"))
def test_a_gpu_beyond_the_last_one_is_refused() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(SettingError, match=rf"the GPUs .* are cuda:0 to cuda:{count - 1}\."):
        choose_device(f"cuda:{count}")


@pytest.mark.skipif("cuda" not in WITHOUT, reason="this machine has a GPU of CUDA")
def test_auto_is_the_processor_where_cuda_has_no_gpu() -> None:
    assert choose_device("auto") == CPU


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_is_not_there_is_refused_in_one_line(kind: str) -> None:
    if kind not in WITHOUT:
        pytest.skip(f"this machine has a device {kind}")
    with pytest.raises(SettingError) as caught:
        choose_device(kind)
    text = str(caught.value)
    assert text.startswith(f"FAIRWIND_DEVICE is {kind}, but ")
    assert text.endswith("Set FAIRWIND_DEVICE to auto, cpu or a device that is there.")
    assert "\n" not in text


@pytest.mark.parametrize("wanted", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps"])
def test_the_setting_takes_the_names_of_pytorch(wanted: str) -> None:
    assert Settings(device=wanted).device == wanted


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:a", "cpu:0", "CUDA", ""])
def test_the_setting_takes_no_other_name(wanted: str) -> None:
    with pytest.raises(ValueError, match="it is none of auto, cpu, cuda, cuda:0"):
        Settings(device=wanted)


def test_a_device_is_tried_in_each_precision_and_says_why_it_cannot() -> None:
    assert tried(CPU.torch) == {}
    cannot = tried(torch.device("meta"))  # it computes nothing
    assert set(cannot) == {"bf16", "fp16"}
    assert all("meta" in why and "\n" not in why for why in cannot.values())


def test_importing_what_a_site_needs_uses_no_device() -> None:
    """The parent of a worker imports all of it, and a child may use CUDA only if that did not."""
    code = """
import torch
def used(*_, **__): raise SystemExit("the parent asks for a GPU")
for name in ("is_available", "device_count", "current_device", "_lazy_init", "init"):
    setattr(torch.cuda, name, used)
torch._C._cuda_getDeviceCount = torch._C._cuda_init = used
import tasks.site.train, tasks.site.worker, tasks.coordinator.rounds, models.energy
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_the_environment_holds_already_is_left_alone() -> None:
    environ = {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}
    prepare_environment(environ)
    assert environ == {"CUBLAS_WORKSPACE_CONFIG": ":16:8", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


def test_the_processor_keeps_the_bits_that_it_has() -> None:
    make_deterministic(CPU.torch)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.fixture
def strict() -> Iterator[None]:
    """Let PyTorch warn of operations that are not deterministic, on the processor, too."""
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(mode=False)


def unpooled() -> Tensor:
    """Return what an operation without a deterministic form computes."""
    pool, back = nn.MaxPool1d(2, return_indices=True), nn.MaxUnpool1d(2)
    result: Tensor = back(*pool(torch.ones(1, 1, 4)))
    return result


@pytest.mark.usefixtures("strict")
def test_operations_that_are_not_deterministic_are_named_each_time() -> None:
    for _ in range(2):
        with nondeterministic() as operations:
            unpooled()
        assert operations == {"max_unpooling2d_forward_out"}


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("warn", [lambda: warnings.warn("mind the gap", stacklevel=1)])
def test_other_warnings_are_shown_as_ever(warn: Callable[[], None]) -> None:
    with pytest.warns(UserWarning, match="mind the gap"), nondeterministic() as operations:
        warn()
    assert operations == set()
