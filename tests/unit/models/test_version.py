from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from common.errors import UpdateError
from models.aggregation import Contribution
from models.serialization import read_state, write_state
from models.server_optimizers import make_server_optimizer
from models.tensor_file import PIECE, TensorSpec
from models.update import State, delta_signature, model_state, trainable_parameters
from models.version import initial_version, make_version, next_state

if TYPE_CHECKING:
    from .conftest import Tied


class Round:
    """A base and two updates on disk: all deltas 1 with weight 1 and all 2 with weight 3."""

    def __init__(self, model: nn.Module, folder: Path) -> None:
        self.folder = folder
        self.signature = delta_signature(model)
        self.parameters = trainable_parameters(model)
        self.base = model_state(model)
        write_state(self.base, folder / "base")
        for number in (1, 2):
            delta = {
                n: torch.full(s.shape, number, dtype=s.dtype) for n, s in self.signature.items()
            }
            write_state(delta, folder / f"delta{number}")
        self.contributions = [
            Contribution(folder / "delta1", 1),
            Contribution(folder / "delta2", 3),
        ]

    def close(self, optimizer: str, server_state: Path | None = None) -> tuple[Path, Path | None]:
        made = make_version(
            self.folder / "base",
            server_state,
            self.contributions,
            signature=self.signature,
            parameters=self.parameters,
            norm_bound=100.0,
            optimizer=make_server_optimizer(optimizer),
            folder=self.folder,
        )
        return made.model, made.server_state


def test_fedavg_adds_the_mean_and_keeps_the_rest(tied_model: Tied, tmp_path: Path) -> None:
    done = Round(tied_model, tmp_path)
    path, server_state = done.close("fedavg")
    new = read_state(path)
    assert server_state is None
    assert new.keys() == done.base.keys()
    for name, value in done.base.items():
        expected = (value.float() + 1.75).to(value.dtype) if name in done.signature else value
        assert torch.equal(new[name], expected), name


def test_buffers_take_the_plain_mean_under_fedadam(tied_model: Tied, tmp_path: Path) -> None:
    done = Round(tied_model, tmp_path)
    path, server_path = done.close("fedadam")
    new = read_state(path)
    assert torch.equal(new["norm.running_mean"], done.base["norm.running_mean"] + 1.75)
    assert not torch.equal(new["decoder.bias"], done.base["decoder.bias"] + 1.75)
    assert server_path is not None
    assert "m.decoder.bias" in read_state(server_path)
    assert "m.norm.running_mean" not in read_state(server_path)


@pytest.mark.parametrize("optimizer", ["fedavg", "fedadam"])
def test_version_is_the_same_bytes_again_and_in_any_order(
    tied_model: Tied, tmp_path: Path, optimizer: str
) -> None:
    done = Round(tied_model, tmp_path)
    first = done.close(optimizer)
    done.contributions.reverse()
    for path, again in zip(first, done.close(optimizer), strict=True):
        if path is not None and again is not None:
            assert path != again
            assert path.read_bytes() == again.read_bytes()


def test_server_state_carries_over(tied_model: Tied, tmp_path: Path) -> None:
    done = Round(tied_model, tmp_path)
    _, first = done.close("fedadam")
    assert first is not None
    kept = first.read_bytes()
    _, second = done.close("fedadam", first)
    assert second is not None
    # m1 = 0.1 * 1.75 = 0.175; m2 = 0.9 * 0.175 + 0.175 = 0.3325
    assert read_state(second)["m.decoder.bias"].tolist() == pytest.approx([0.3325] * 3)
    assert first.read_bytes() == kept


def test_inputs_stay_as_they_were(tied_model: Tied, tmp_path: Path) -> None:
    done = Round(tied_model, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done.close("fedadam")
    assert all(path.read_bytes() == kept for path, kept in before.items())


def test_another_models_base_is_refused(tied_model: Tied, tmp_path: Path) -> None:
    done = Round(tied_model, tmp_path)
    write_state({"x": torch.zeros(1)}, tmp_path / "base")
    with pytest.raises(UpdateError, match="no version was made"):
        done.close("fedavg")


def test_first_version_depends_on_its_seed_alone(make_workload: Any) -> None:
    def first(seed: int) -> State:
        torch.randn(3)
        return initial_version(make_workload(), seed)

    assert torch.equal(first(1)["0.weight"], first(1)["0.weight"])
    assert not torch.equal(first(1)["0.weight"], first(2)["0.weight"])


SIGNATURE = {
    "weight": TensorSpec(torch.float32, (3, 2)),
    "scalar": TensorSpec(torch.float64, ()),
    "half": TensorSpec(torch.float16, (5,)),
    "long": TensorSpec(torch.float32, (PIECE + 7,)),
    "mean": TensorSpec(torch.bfloat16, (4,)),
}
"""Every dtype, one tensor longer than a piece; "mean" is a buffer."""


def random_state(generator: torch.Generator, *rows: int) -> State:
    return {
        name: torch.randn((*rows, *spec.shape), generator=generator, dtype=torch.float64).to(
            spec.dtype
        )
        for name, spec in SIGNATURE.items()
    }


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    st.sampled_from(["fedavg", "fedadam"]),
    st.integers(0, 2**32),
)
def test_next_state_in_memory_has_the_bits_of_a_version_on_disk(
    tmp_path_factory: pytest.TempPathFactory, weights: list[int], optimizer: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    generator = torch.Generator().manual_seed(seed)
    on_disk = in_memory = random_state(generator) | {"steps": torch.tensor(3)}
    path, server_path = folder / "base", None
    server_state: State = {}
    write_state(on_disk, path)
    shared: Any = {
        "parameters": frozenset(SIGNATURE) - {"mean"},
        "norm_bound": 2000.0,
        "optimizer": make_server_optimizer(optimizer),
    }
    for _ in range(2):
        deltas = random_state(generator, len(weights))
        for row in range(len(weights)):
            write_state({n: d[row].contiguous() for n, d in deltas.items()}, folder / str(row))
        contributions = [Contribution(folder / str(row), w) for row, w in enumerate(weights)]
        path, server_path, kept = make_version(
            path, server_path, contributions, signature=SIGNATURE, folder=folder, **shared
        )
        in_memory, kept_in_memory = next_state(in_memory, server_state, deltas, weights, **shared)
        assert kept == kept_in_memory
    write_state(in_memory, folder / "memory")
    assert (folder / "memory").read_bytes() == path.read_bytes()
    if server_path is not None:
        write_state(server_state, folder / "server")
        assert (folder / "server").read_bytes() == server_path.read_bytes()


def advance(model: State, deltas: State, weights: list[int]) -> State:
    return next_state(
        model, {}, deltas, weights,
        parameters=frozenset(deltas), norm_bound=100.0, optimizer=make_server_optimizer("fedavg"),
    )[0]  # fmt: skip


def test_next_state_changes_neither_base_nor_deltas() -> None:
    model, deltas = {"w": torch.zeros(2)}, {"w": torch.tensor([[1.0, 2.0], [4.0, 8.0]])}
    # (1 * 2 + 4 * 1) / 3 = 2 and (2 * 2 + 8 * 1) / 3 = 4
    assert advance(model, deltas, [2, 1])["w"].tolist() == [2.0, 4.0]
    assert model["w"].tolist() == [0.0, 0.0]
    assert deltas["w"].tolist() == [[1.0, 2.0], [4.0, 8.0]]


@pytest.mark.parametrize(
    ("deltas", "weights", "said"),
    [
        ({"w": torch.zeros(2, 3)}, [1, 1], "no version was made"),
        ({"w": torch.zeros(2, 2)}, [1], "2 deltas of w but 1 weights"),
        ({"w": torch.zeros(2, 2)}, [1, 0], "no mean"),
        ({"w": torch.zeros(0, 2)}, [], "no mean"),
        ({"w": torch.full((2, 2), torch.nan)}, [1, 1], "one of deltas 0 to 1 holds a value in w"),
    ],
)
def test_deltas_that_make_no_version_are_refused(
    deltas: State, weights: list[int], said: str
) -> None:
    with pytest.raises(UpdateError, match=said):
        advance({"w": torch.zeros(2)}, deltas, weights)
