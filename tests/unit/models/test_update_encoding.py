from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from common.errors import UpdateError
from common.update_encodings import UpdateEncoding
from models.aggregation import Contribution, stacked_mean, weighted_mean
from models.serialization import write_state
from models.tensor_file import TensorSpec
from models.update import State, check_update, delta_nbytes
from models.update_encoding import decoded, encoded, encoded_signature

BOUND = 1000.0

ENCODINGS: list[UpdateEncoding] = ["float32", "bfloat16", "mxint8", "topk:0.03"]


def delta(seed: int) -> State:
    """A large matrix whose last block is short and that takes two pieces, and a small bias."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(301, 333, generator=generator) * 1e-3,
        "bias": torch.randn(7, generator=generator),
    }


def signature(tensors: Mapping[str, torch.Tensor]) -> Mapping[str, TensorSpec]:
    return {name: TensorSpec(t.dtype, tuple(t.shape)) for name, t in tensors.items()}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_read_as_what_was_encoded(encoding: UpdateEncoding, tmp_path: Path) -> None:
    update = delta(1)
    sent = encoded(update, encoding, seed=5)
    held = encoded_signature(signature(update), encoding)
    assert signature(sent) == dict(held)
    write_state(sent, tmp_path / "update")
    norm = check_update(tmp_path / "update", held, norm_bound=BOUND, decoded=signature(update))
    values = decoded(sent, signature(update))
    squares = sum(value.double().square().sum().item() for value in values.values())
    assert norm == pytest.approx(math.sqrt(squares))
    assert (tmp_path / "update").stat().st_size <= delta_nbytes(held)


def test_an_update_takes_half_or_about_a_quarter_of_the_bytes() -> None:
    whole = delta_nbytes(signature(delta(1)))
    half = delta_nbytes(encoded_signature(signature(delta(1)), "bfloat16"))
    quarter = delta_nbytes(encoded_signature(signature(delta(1)), "mxint8"))
    assert half / whole == pytest.approx(0.5, abs=0.01)
    # 8 bits a value and 8 for every 32 of them: 8.25 / 32
    assert quarter / whole == pytest.approx(8.25 / 32, abs=0.01)


@pytest.mark.parametrize(("encoding", "most"), [("bfloat16", 0.003), ("mxint8", 0.013)])
def test_the_error_is_a_small_share_of_the_update(encoding: UpdateEncoding, most: float) -> None:
    update = delta(2)
    back = decoded(encoded(update, encoding, seed=1), signature(update))
    error = (back["weight"].float() - update["weight"]).norm() / update["weight"].norm()
    assert 0 < error.item() < most
    assert back["bias"].equal(update["bias"])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_files_and_memory_have_the_same_mean(encoding: UpdateEncoding, tmp_path: Path) -> None:
    updates = [encoded(delta(seed), encoding, seed=seed) for seed in range(3)]
    weights = [5, 1, 300]
    for number, update in enumerate(updates):
        write_state(update, tmp_path / f"{number}")
    contributions = [Contribution(tmp_path / f"{n}", weight) for n, weight in enumerate(weights)]
    held = signature(delta(0))
    of_files = dict(weighted_mean(contributions, held, norm_bound=BOUND, encoding=encoding))
    values = [decoded(update, held) for update in updates]
    stacked = {name: torch.stack([value[name].float() for value in values]) for name in held}
    of_memory = dict(stacked_mean(stacked, weights, norm_bound=BOUND))
    assert all(of_files[name].equal(of_memory[name]) for name in held)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    write_state(encoded(delta(1), "mxint8", seed=1), tmp_path / "update")
    with pytest.raises(UpdateError, match="holds int8, not float32, in weight"):
        check_update(tmp_path / "update", signature(delta(1)), norm_bound=BOUND)


def test_an_update_that_diverged_is_refused_also_when_encoded(tmp_path: Path) -> None:
    update = delta(1)
    update["weight"][3, 4] = torch.nan
    held = encoded_signature(signature(update), "mxint8")
    write_state(encoded(update, "mxint8", seed=1), tmp_path / "update")
    with pytest.raises(UpdateError, match="holds NaN or infinity in weight"):
        check_update(tmp_path / "update", held, norm_bound=BOUND)


def check_sparse(sent: State, folder: Path) -> float:
    held = encoded_signature(signature(delta(1)), "topk:0.03")
    write_state(sent, folder / "update")
    return check_update(folder / "update", held, norm_bound=BOUND, decoded=signature(delta(1)))


def test_places_that_are_none_are_refused_before_anything_is_counted(tmp_path: Path) -> None:
    sent = encoded(delta(1), "topk:0.03", seed=1)
    assert check_sparse(sent, tmp_path) > 0
    places = sent["weight:places"]
    with pytest.raises(UpdateError, match="names 0 places, not"):
        check_sparse(sent | {"weight:places": torch.zeros_like(places)}, tmp_path)
    with pytest.raises(UpdateError, match="names"):
        check_sparse(sent | {"weight:places": torch.full_like(places, 255)}, tmp_path)


def test_more_values_than_the_run_wants_are_refused_by_their_number(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r"bytes where|has shape"):
        check_sparse(encoded(delta(1), "topk:0.2", seed=1), tmp_path)
    with pytest.raises(UpdateError, match="has shape"):
        check_sparse(encoded(delta(1), "topk:0.02", seed=1), tmp_path)


def test_a_sparse_update_that_diverged_is_refused(tmp_path: Path) -> None:
    update = delta(1)
    update["weight"][3, 4] = torch.nan
    with pytest.raises(UpdateError, match="holds NaN or infinity in weight"):
        check_sparse(encoded(update, "topk:0.03", seed=1), tmp_path)
