from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from common.errors import UpdateError
from models import serialization, update
from models.tensor_file import PIECE, TensorSpec
from tasks.site.tensor_header import read_spans

if TYPE_CHECKING:
    from .conftest import Tied

SIGNATURE = {
    "w": TensorSpec(torch.float32, (2, 3)),
    "h": TensorSpec(torch.bfloat16, (PIECE + 7,)),
    "empty": TensorSpec(torch.float32, (0, 4)),
}


def good_delta() -> update.State:
    return {
        "w": torch.full((2, 3), 0.5),
        "h": torch.zeros(PIECE + 7, dtype=torch.bfloat16),
        "empty": torch.empty(0, 4),
    }


def check(delta: update.State, folder: Path, norm_bound: float = 10.0) -> float:
    serialization.write_state(delta, folder / "blob")
    return update.check_update(folder / "blob", SIGNATURE, norm_bound=norm_bound)


def test_state_holds_tied_weights_once_and_no_volatile_buffer(tied_model: Tied) -> None:
    state = update.model_state(tied_model)
    assert "encoder.weight" in state
    assert "decoder.weight" not in state
    assert "cache" not in state
    assert {"frozen", "norm.running_mean", "norm.num_batches_tracked"} <= state.keys()


def test_state_is_a_copy(tied_model: Tied) -> None:
    state = update.model_state(tied_model)
    with torch.no_grad():
        tied_model.encoder.weight.zero_()
    assert state["encoder.weight"].any()


def test_delta_holds_trained_tensors_and_floating_buffers_only(tied_model: Tied) -> None:
    assert set(update.delta_signature(tied_model)) == {
        "encoder.weight",
        "decoder.bias",
        "small",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    }


def test_buffers_are_in_the_delta_but_are_no_parameters(tied_model: Tied) -> None:
    buffers = set(update.delta_signature(tied_model)) - update.trainable_parameters(tied_model)
    assert buffers == {"norm.running_mean", "norm.running_var"}


def test_delta_keeps_half_precision(tied_model: Tied) -> None:
    assert update.delta_signature(tied_model)["small"] == (torch.float16, (4,))


def test_parameters_that_cannot_be_averaged_are_refused_by_name() -> None:
    model = nn.Linear(2, 2, dtype=torch.complex64)
    with pytest.raises(
        UpdateError, match=r"weight is complex64: use float16, .*\. A version cannot hold it"
    ):
        update.delta_signature(model)


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=3))
def test_base_plus_delta_is_the_trained_model(bias: list[int]) -> None:
    model = nn.Linear(2, 3)
    base = update.model_state(model)
    base["bias"] = torch.tensor([1.0, 2.0, 3.0])
    with torch.no_grad():
        model.bias.copy_(torch.tensor(bias))
    delta = update.make_delta(model, base, signature=update.delta_signature(model))
    assert torch.equal(base["bias"] + delta["bias"], model.bias)
    assert not delta["weight"].any()


def test_loading_a_state_brings_every_tensor_back(tied_model: Tied) -> None:
    state = update.model_state(tied_model)
    tied_model(torch.randn(8, 3))
    assert tied_model.norm.num_batches_tracked == 1
    update.load_state(tied_model, state)
    assert all(torch.equal(state[k], v) for k, v in update.model_state(tied_model).items())
    assert tied_model.decoder.weight is tied_model.encoder.weight


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"weight": torch.zeros(2, 2)}, "lacks bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}, r"shape \[2, 3\], not \[2, 2\]"),
        ({"weight": torch.zeros(2, 2), "bias": torch.zeros(2).double()}, "float64, not float32"),
        (
            {"weight": torch.zeros(2, 2), "bias": torch.zeros(2), "x": torch.zeros(1)},
            "holds x, which the model has not",
        ),
    ],
)
def test_another_models_state_is_refused_whole(other: update.State, fault: str) -> None:
    model = nn.Linear(2, 2)
    before = update.model_state(model)
    with pytest.raises(UpdateError, match=fault):
        update.load_state(model, other)
    assert torch.equal(before["weight"], model.weight)


def test_equal_states_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    state = good_delta()
    serialization.write_state(dict(reversed(state.items())), tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == save(state)


def test_bytes_and_files_read_back_as_they_were(tmp_path: Path) -> None:
    state = good_delta() | {"steps": torch.tensor(3)}
    serialization.write_state(state, tmp_path / "blob")
    for read in (
        serialization.read_state(tmp_path / "blob"),
        serialization.parse_state(bytearray(save(state))),
    ):
        assert read.keys() == state.keys()
        assert all(torch.equal(read[name], state[name]) for name in state)


def test_bytes_that_are_no_state_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="of 7 bytes is not whole safetensors"):
        serialization.parse_state(bytearray(b"garbage"))
    with pytest.raises(UpdateError, match="nowhere"):
        serialization.read_state(tmp_path / "nowhere")


def test_size_bound_holds_for_awkward_names() -> None:
    state = {f'layer"{i}\u00e9.weight': torch.zeros(i, 3) for i in range(40)}
    signature = {name: TensorSpec(t.dtype, tuple(t.shape)) for name, t in state.items()}
    assert len(save(state)) <= update.delta_nbytes(signature)


def test_good_update_is_admitted_with_its_norm(tmp_path: Path) -> None:
    assert check(good_delta(), tmp_path) == pytest.approx((6 * 0.25) ** 0.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("name", "index"), [("w", 5), ("h", 0), ("h", PIECE + 6)])
def test_values_that_are_not_finite_are_refused(
    tmp_path: Path, bad: float, name: str, index: int
) -> None:
    delta = good_delta()
    delta[name].view(-1)[index] = bad
    with pytest.raises(UpdateError, match=f"NaN or infinity in {name}, so it is not counted"):
        check(delta, tmp_path)


def test_update_above_the_norm_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r"norm 1.22474, above 1.2, so it is not counted"):
        check(good_delta(), tmp_path, norm_bound=1.2)


def test_greatest_finite_values_are_over_the_norm_not_infinite(tmp_path: Path) -> None:
    delta = good_delta()
    delta["w"][:] = torch.finfo(torch.float32).max
    with pytest.raises(UpdateError, match="above 10"):
        check(delta, tmp_path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"w": torch.zeros(3, 2)}, "has shape"),
        ({"w": torch.zeros(2, 3, dtype=torch.float16)}, "holds float16, not float32, in w"),
        ({"w": torch.zeros(2, 3, dtype=torch.int32)}, "holds I32 values in w"),
        ({"v": torch.zeros(0)}, "bytes where"),
    ],
)
def test_update_of_another_model_is_refused(
    tmp_path: Path, change: update.State, fault: str
) -> None:
    with pytest.raises(UpdateError, match=fault):
        check(good_delta() | change, tmp_path)


def test_update_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    delta = good_delta()
    del delta["w"]
    with pytest.raises(UpdateError, match="lacks w, so it is not counted"):
        check(delta, tmp_path)


@given(st.data())
def test_no_altered_file_passes_as_another(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "blob"
    whole = save(good_delta())
    keep = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:keep])
    with pytest.raises(UpdateError):
        update.check_update(path, SIGNATURE, norm_bound=10.0)


@pytest.mark.parametrize("junk", [b"", b"garbage", b"\xff" * 64, b"\x00" * 64, b"{}" * 40])
def test_garbage_is_refused(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "blob").write_bytes(junk)
    with pytest.raises(UpdateError, match="not a whole safetensors file"):
        update.check_update(tmp_path / "blob", SIGNATURE, norm_bound=10.0)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(save(good_delta()) + b"\0")
    with pytest.raises(UpdateError, match="not counted"):
        update.check_update(tmp_path / "blob", SIGNATURE, norm_bound=10.0)


def test_padded_header_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    raw = safetensors.torch.save(good_delta())
    (length,) = struct.unpack("<Q", raw[:8])
    padded = raw[8 : 8 + length] + b" " * 4096
    (tmp_path / "blob").write_bytes(struct.pack("<Q", len(padded)) + padded + raw[8 + length :])
    with pytest.raises(UpdateError, match="bytes where"):
        update.check_update(tmp_path / "blob", SIGNATURE, norm_bound=10.0)


def test_overlapping_tensors_are_refused(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header = json.dumps({"a": entry, "b": entry}).encode()
    (tmp_path / "blob").write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    spec = TensorSpec(torch.float32, (2, 3))
    with pytest.raises(UpdateError, match="not a whole safetensors file"):
        update.check_update(tmp_path / "blob", {"a": spec, "b": spec}, norm_bound=1.0)


ODD_SIZES = st.integers(-2, 8) | st.sampled_from([24, 2**31, 2**63, 2**64, 2**70, -(2**70)])
ODD_VALUES = st.recursive(
    st.none() | st.booleans() | ODD_SIZES | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "I8", "U8", "BOOL", "I64", "F8_E4M3", "x"]),
        "shape": st.lists(ODD_SIZES, max_size=3),
        "data_offsets": st.lists(ODD_SIZES, min_size=2, max_size=2),
    }
)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["w", "h", "empty", "w:scales", "w:places", "__metadata__", ""]),
        ENTRIES | ODD_VALUES,
    ),
    max_size=4,
)


def twice_named(pairs: list[tuple[str, object]]) -> bytes:
    """Return a header in which a name may stand twice."""
    return ("{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in pairs) + "}").encode()


@example(header=b"[" * 100_000, length=None, rest=b"")
@example(header=b'{"a":' * 100_000, length=None, rest=b"")
@example(header=b"{}", length=2**64 - 1, rest=b"")
@given(
    header=PAIRS.map(twice_named)
    | ODD_VALUES.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40),
    length=st.none() | st.integers(0, 2**64 - 1),
    rest=st.binary(max_size=32),
)
def test_no_header_is_more_than_refused(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, length: int | None, rest: bytes
) -> None:
    raw = struct.pack("<Q", len(header) if length is None else length) + header + rest
    path = tmp_path_factory.getbasetemp() / "odd"
    path.write_bytes(raw)
    with pytest.raises(UpdateError):
        update.check_update(path, SIGNATURE, norm_bound=10.0)
    try:
        state = serialization.parse_state(bytearray(raw))
    except UpdateError:
        pass
    else:
        assert sum(tensor.nbytes for tensor in state.values()) <= len(state) * len(rest)
    with suppress(ValueError, KeyError):
        spans = read_spans(path)
        assert all(span.tensor.nbytes >= 0 and span.begin >= 0 for span in spans.values())


DTYPES = sorted(
    {value for value in vars(torch).values() if isinstance(value, torch.dtype)}, key=str
)


class Holding(nn.Module):
    """A model with one more buffer."""

    def __init__(self, extra: torch.Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("extra", extra)


HELD = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
)  # fmt: skip


@pytest.mark.parametrize("dtype", HELD, ids=str)
def test_what_a_version_holds_comes_back_as_it_was(dtype: torch.dtype, tmp_path: Path) -> None:
    model = Holding(torch.tensor([0, 1, 3]).to(dtype))
    update.delta_signature(model)
    state = update.model_state(model)
    serialization.write_state(state, tmp_path / "version")
    data = bytearray((tmp_path / "version").read_bytes())
    for read in serialization.read_state(tmp_path / "version"), serialization.parse_state(data):
        assert read["extra"].dtype == dtype
        assert torch.equal(read["extra"], state["extra"])


@pytest.mark.filterwarnings("ignore")  # torch warns of dtypes that it is about to drop
@pytest.mark.parametrize("dtype", [each for each in DTYPES if each not in HELD], ids=str)
def test_any_other_dtype_is_refused_by_name(dtype: torch.dtype) -> None:
    try:
        extra = torch.empty(3, dtype=dtype)
    except (RuntimeError, TypeError, NotImplementedError):
        pytest.skip("torch makes no tensor of it")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(UpdateError, match=rf"^The model's extra is {name}: use "):
        update.delta_signature(Holding(extra))


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (Holding(torch.zeros(2).to_sparse()), "extra is sparse or nested: make it dense"),
        (nn.Linear(2, 2, device="meta"), "weight has no values: build it on a real device"),
        (nn.LazyLinear(2), "weight has no shape yet: call the model once on an example"),
        (nn.Linear(2, 2, dtype=torch.complex64), "weight is complex64: use"),
    ],
)
def test_what_a_version_cannot_hold_is_refused_by_name(model: nn.Module, fault: str) -> None:
    with pytest.raises(UpdateError, match=fault):
        update.delta_signature(model)


def test_state_that_is_no_tensor_is_refused_by_name() -> None:
    class Packed(nn.Linear):
        def get_extra_state(self) -> tuple[int, int]:
            return 1, 2

    with pytest.raises(UpdateError, match="_extra_state is no tensor but tuple: use layers"):
        update.delta_signature(Packed(2, 2))


def test_volatile_buffer_may_hold_anything() -> None:
    model = Holding(torch.zeros(1))
    model.register_buffer("cache", torch.zeros(2, dtype=torch.uint16), persistent=False)
    assert set(update.delta_signature(model)) == {"layer.weight", "layer.bias", "extra"}
