from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.errors import SettingError, WorkloadError
from common.server_optimizers import OPTIONS
from models.server_optimizers import make_server_optimizer
from models.update import State


def test_fedavg_adds_the_mean_delta() -> None:
    state: State = {}
    value = torch.tensor([1.0, 2.0])
    new = make_server_optimizer("fedavg").apply("w", value, torch.tensor([0.5, -1.0]), state)
    assert new.tolist() == [1.5, 1.0]
    assert value.tolist() == [1.0, 2.0]
    assert not state


def test_fedavg_scales_by_its_learning_rate() -> None:
    optimizer = make_server_optimizer("fedavg", learning_rate=0.5)
    assert optimizer.apply("w", torch.ones(1), torch.ones(1), {}).tolist() == [1.5]


def test_fedadam_follows_the_paper_for_two_rounds() -> None:
    optimizer = make_server_optimizer(
        "fedadam", learning_rate=0.1, beta_1=0.9, beta_2=0.99, tau=0.001
    )
    state: State = {}
    value = torch.tensor([1.0], dtype=torch.float64)
    delta = torch.tensor([0.2], dtype=torch.float64)
    # m = 0.1 * 0.2 = 0.02; v = 0.99 * 1e-6 + 0.01 * 0.04 = 4.0099e-4; sqrt(v) = 0.020024734
    # x = 1 + 0.1 * 0.02 / (0.020024734 + 0.001) = 1.09512605
    value = optimizer.apply("w", value, delta, state)
    assert state["m.w"].item() == pytest.approx(0.02)
    assert state["v.w"].item() == pytest.approx(4.0099e-4)
    assert value.item() == pytest.approx(1.09512605, abs=1e-8)
    # m = 0.9 * 0.02 + 0.1 * -0.1 = 0.008; v = 0.99 * 4.0099e-4 + 0.01 * 0.01 = 4.969801e-4
    # sqrt(v) = 0.022293050; x = 1.09512605 + 0.1 * 0.008 / 0.023293050 = 1.12947114
    value = optimizer.apply("w", value, torch.tensor([-0.1], dtype=torch.float64), state)
    assert state["m.w"].item() == pytest.approx(0.008)
    assert state["v.w"].item() == pytest.approx(4.969801e-4)
    assert value.item() == pytest.approx(1.12947114, abs=1e-7)


def two_rounds(name: str, **options: float) -> list[float]:
    """Return a parameter that starts at 1 after deltas of 0.2 and of -0.1."""
    optimizer = make_server_optimizer(name, **options)
    state: State = {}
    value = torch.tensor([1.0], dtype=torch.float64)
    after = []
    for delta in (0.2, -0.1):
        value = optimizer.apply("w", value, torch.tensor([delta], dtype=torch.float64), state)
        after.append(value.item())
    return after


def test_fedavgm_follows_the_paper_for_two_rounds() -> None:
    # m = 0.2, x = 1 + 0.5 * 0.2 = 1.1; m = 0.9 * 0.2 - 0.1 = 0.08, x = 1.1 + 0.5 * 0.08 = 1.14
    assert two_rounds("fedavgm", learning_rate=0.5, momentum=0.9) == pytest.approx([1.1, 1.14])


def test_fedadagrad_follows_the_paper_for_two_rounds() -> None:
    # v = 1e-6 + 0.04, sqrt(v) = 0.2000025; x = 1 + 0.1 * 0.2 / 0.2010025 = 1.09950125
    # v = 0.040001 + 0.01, sqrt(v) = 0.22360903
    # x = 1.09950125 - 0.1 * 0.1 / 0.22460903 = 1.05497944
    assert two_rounds("fedadagrad") == pytest.approx([1.09950125, 1.05497944], abs=1e-8)


def test_fedyogi_follows_the_paper_for_two_rounds() -> None:
    # v = 1e-6: below 0.04, so v = 1e-6 + 0.01 * 0.04 = 4.01e-4, sqrt(v) = 0.02002498
    # m = 0.02; x = 1 + 0.1 * 0.02 / 0.02102498 = 1.09512492
    # v: below 0.01, so v = 4.01e-4 + 0.01 * 0.01 = 5.01e-4, sqrt(v) = 0.02238303
    # m = 0.9 * 0.02 - 0.1 * 0.1 = 0.008; x = 1.09512492 + 0.1 * 0.008 / 0.02338303 = 1.12933777
    assert two_rounds("fedyogi") == pytest.approx([1.09512492, 1.12933777], abs=1e-7)


def test_fedyogi_lets_its_second_moment_shrink_slowly() -> None:
    optimizer = make_server_optimizer("fedyogi")
    state: State = {"m.w": torch.zeros(1), "v.w": torch.tensor([1.0])}
    optimizer.apply("w", torch.zeros(1), torch.tensor([0.5]), state)
    assert state["v.w"].item() == pytest.approx(1 - 0.01 * 0.25)  # Adam's would be 0.9925


@pytest.mark.parametrize(
    ("name", "first_steps"),
    [("fedadam", [0.005, 0.050, 0.415, 0.990]), ("fedyogi", [0.005, 0.050, 0.414, 0.990])],
)
def test_the_first_step_grows_with_the_delta(name: str, first_steps: list[float]) -> None:
    # eta m / (sqrt(v) + tau) with m = 0.1 d: no bias correction makes every first step eta.
    deltas = torch.tensor([1e-4, 1e-3, 1e-2, 1.0], dtype=torch.float64)
    zeros = torch.zeros(4, dtype=torch.float64)
    steps = make_server_optimizer(name, learning_rate=1.0).apply("w", zeros, deltas, {})
    assert steps.tolist() == pytest.approx(first_steps, abs=6e-4)


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_parameters_keep_their_dtype_and_state_is_wide(name: str, dtype: torch.dtype) -> None:
    state: State = {}
    new = make_server_optimizer(name).apply("w", torch.ones(2, dtype=dtype), torch.ones(2), state)
    assert new.dtype == dtype
    assert all(tensor.dtype == torch.float32 for tensor in state.values())


@pytest.mark.parametrize(
    ("name", "options", "remedy"),
    [
        ("fedyoghi", {}, "did you mean fedyogi"),
        ("adam", {}, "did you mean"),
        ("fedavgm", {"momentum": 1.0}, "below 1"),
        ("fedavg", {"beta_1": 0.9}, "it takes learning_rate"),
        (
            "fedavg",
            {"learning_rat": 0.9},
            r"no option 'learning_rat': did you mean learning_rate\?",
        ),
        ("fedadam", {"learning_rate": 0.0}, "positive and finite"),
        ("fedadam", {"tau": float("nan")}, "positive and finite"),
        ("fedadam", {"beta_2": 1.0}, "below 1"),
    ],
)
def test_unknown_names_and_values_are_refused(
    name: str, options: dict[str, float], remedy: str
) -> None:
    with pytest.raises(SettingError, match=remedy):
        make_server_optimizer(name, **options)


OWN = """
def sign(value, mean_delta, state, *, learning_rate):
    state["steps"] = state.get("steps", value * 0) + 1
    return value + learning_rate * mean_delta.sign() / state["steps"]


def wide(value, mean_delta, state):
    return value.double().unsqueeze(0)


def broken(value, mean_delta, state):
    return value + state["nothing"]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_server_optimizer.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_function_of_the_users_keeps_state_for_each_parameter() -> None:
    optimizer = make_server_optimizer("own_server_optimizer:sign", learning_rate=0.5)
    state: State = {}
    value = torch.tensor([1.0], dtype=torch.bfloat16)
    for name in ("b", "a.b", "b"):
        moved = optimizer.apply(name, value, torch.tensor([-3.0]), state)
        assert moved.dtype == torch.bfloat16
    assert moved.item() == 0.75
    assert sorted(state.values()) == [1, 2]


def test_a_function_of_the_users_is_handed_the_options_of_the_run() -> None:
    optimizer = make_server_optimizer("tests.fakes.own_server_optimizer:clipped", {"most": 0.25})
    moved = optimizer.apply("w", torch.tensor([1.0]), torch.tensor([-3.0]), {})
    assert moved.item() == 0.75


def test_options_of_the_run_and_of_the_server_optimizer_do_not_mix() -> None:
    with pytest.raises(SettingError, match="rename the server option 'options'"):
        make_server_optimizer("tests.fakes.own_server_optimizer:clipped", {}, options=1.0)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("function", "fault"),
    [("wide", r"returned no tensor of shape \[1\] for w"), ("broken", "raised KeyError")],
)
def test_a_function_that_fails_is_named(function: str, fault: str) -> None:
    optimizer = make_server_optimizer(f"own_server_optimizer:{function}")
    with pytest.raises(WorkloadError, match=fault):
        optimizer.apply("w", torch.ones(1), torch.ones(1), {})


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("own_server_optimizer:sign", "missing a required argument: 'learning_rate'"),
        ("own_server_optimizer:none", "cannot be loaded"),
        ("no_such_module_here:step", "cannot be loaded"),
        ("os:system", "belongs to Python itself"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(path: str, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        make_server_optimizer(path)
