from __future__ import annotations

import pytest
import torch

from common.errors import SettingError
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


@pytest.mark.parametrize("name", ["fedavg", "fedadam"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_parameters_keep_their_dtype_and_state_is_wide(name: str, dtype: torch.dtype) -> None:
    state: State = {}
    new = make_server_optimizer(name).apply("w", torch.ones(2, dtype=dtype), torch.ones(2), state)
    assert new.dtype == dtype
    assert all(tensor.dtype == torch.float32 for tensor in state.values())


@pytest.mark.parametrize(
    ("name", "options", "remedy"),
    [
        ("fedyogi", {}, "Choose one of: fedavg, fedadam"),
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
