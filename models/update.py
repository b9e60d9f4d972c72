"""An update: what a client's training changed. Its algebra, and whether it counts.

A delta holds every trainable parameter and every floating buffer, local minus base. Integer
buffers and frozen parameters are absent, and a tensor with several names (tied weights) is in it
once, under the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from common.errors import UpdateError
from models.storable import dtype_name, storage_fault
from models.tensor_file import PIECE, PIECE_BYTES, TensorFile, TensorSpec, value_names

State = dict[str, Tensor]
"""Tensors by name: contiguous, on the CPU, none sharing memory with another."""

Signature = Mapping[str, TensorSpec]
"""What a delta must hold: names, dtypes and shapes. Read-only."""

_ANOTHER_MODEL = "The site has another model: use the coordinator's workload there."


def model_state(model: nn.Module) -> State:
    """Return a copy of a model's parameters and persistent buffers, tied weights once."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in named_tensors(model).items()
    }


def load_state(model: nn.Module, state: State) -> None:
    """Set a model's parameters and persistent buffers, in place.

    A hollow parameter takes the state's own tensor: whoever changes the one changes the other.

    Raises:
        UpdateError: If names, dtypes or shapes differ; the model is unchanged then.
    """
    own = named_tensors(model)
    difference = describe_difference(signature_of(state), signature_of(own))
    if difference:
        msg = f"The state {difference}, so it was not loaded. {_ANOTHER_MODEL}"
        raise UpdateError(msg)
    with torch.no_grad():
        for name, tensor in own.items():
            if is_hollow(tensor):
                tensor.data = state[name]
            else:
                tensor.copy_(state[name])


def hollow(like: Tensor) -> Tensor:
    """Return a tensor of the same form that takes no memory; `load_state` fills it."""
    return torch.zeros((), dtype=like.dtype).expand(like.shape)


def is_hollow(tensor: Tensor) -> bool:
    """Return whether a tensor is one that `hollow` made."""
    return tensor.numel() > 1 and not any(tensor.stride())


def trainable_parameters(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that training changes, tied weights once."""
    return frozenset(
        name
        for name, tensor in named_tensors(model).items()
        if isinstance(tensor, nn.Parameter) and tensor.requires_grad
    )


def delta_signature(model: nn.Module) -> Signature:
    """Return what a delta for this model holds.

    Raises:
        UpdateError: If a version cannot hold the model's state.
    """
    for name, entry in model.state_dict(keep_vars=True).items():
        if fault := storage_fault(entry):
            msg = (
                f"The model's {name} {fault}. A version cannot hold it, so the model cannot be "
                f"trained here. A buffer can also be kept out of the model's state: "
                f"register_buffer(..., persistent=False)."
            )
            raise UpdateError(msg)
    signature = {}
    for name, tensor in named_tensors(model).items():
        is_parameter = isinstance(tensor, nn.Parameter)
        if tensor.requires_grad if is_parameter else tensor.is_floating_point():
            signature[name] = TensorSpec(tensor.dtype, tuple(tensor.shape))
    return MappingProxyType(signature)


def make_delta(model: nn.Module, base: State, *, signature: Signature) -> State:
    """Return what training changed: the model's tensors minus those of the base.

    Args:
        model: The model after training.
        base: The state it started from, a `model_state`.
        signature: The model's `delta_signature`.

    Raises:
        UpdateError: If training has removed a tensor, or changed its dtype or shape.
    """
    own = {name: t for name, t in named_tensors(model).items() if name in signature}
    difference = describe_difference(signature_of(own), signature)
    if difference:
        msg = (
            f"After training the model {difference}, so there is no update. Let forward() keep "
            f"the names, dtypes and shapes of the model's state, or keep what changes out of it "
            f"(register_buffer(..., persistent=False))."
        )
        raise UpdateError(msg)
    return {name: (own[name].detach().to("cpu") - base[name]).contiguous() for name in signature}


def stack_signature(deltas: State) -> Signature:
    """Return what each of some stacked deltas holds, each tensor `(num_clients, *shape)`."""
    return {name: TensorSpec(t.dtype, tuple(t.shape[1:])) for name, t in deltas.items()}


def delta_nbytes(signature: Signature) -> int:
    """Return an upper bound of the bytes of a delta; the header's slack is a few bytes a tensor."""
    total = sum(spec.nbytes for spec in signature.values())
    header = {
        name: {"dtype": "BF16", "shape": spec.shape, "data_offsets": [total, total]}
        for name, spec in signature.items()
    }
    length_field, padding = 8, 8
    return length_field + len(json.dumps(header)) + padding + total


def describe_difference(found: Signature, promised: Signature) -> str | None:
    """Return the first difference between two signatures in words, or `None` if they agree."""
    for name, spec in promised.items():
        if name not in found:
            return f"lacks {name}"
        if found[name].dtype != spec.dtype:
            return f"holds {dtype_name(found[name].dtype)}, not {dtype_name(spec.dtype)}, in {name}"
        if found[name].shape != spec.shape:
            return f"has shape {list(found[name].shape)}, not {list(spec.shape)}, in {name}"
    extra = next((name for name in found if name not in promised), None)
    return None if extra is None else f"holds {extra}, which the model has not"


def check_update(
    path: Path, signature: Signature, *, norm_bound: float, decoded: Signature | None = None
) -> float:
    """Check an update and return its norm. Takes memory for one piece, whatever its size.

    Args:
        path: An existing safetensors file on our own disk, no longer written.
        signature: What the file must hold: an encoded one what `encoded_signature` returns.
        norm_bound: The greatest L2 norm of all values together that is counted.
        decoded: What it holds once it is decoded; the same if left out.

    Returns:
        The L2 norm over all values, at most `norm_bound`.

    Raises:
        UpdateError: If the file is too large or not whole; names, dtypes or shapes are not those
            promised; a value is not finite; or the norm is above the bound.
    """
    size, limit = path.stat().st_size, delta_nbytes(signature)
    if size > limit:  # before anything is parsed: a header may be as large as it likes
        raise _refused(path.name, f"has {size} bytes where {limit} suffice", _ANOTHER_MODEL)
    wanted = signature if decoded is None else decoded
    with TensorFile(path, wanted) as file:
        difference = describe_difference(file.specs, signature)
        if difference:
            raise _refused(path.name, difference, _ANOTHER_MODEL)
        squares = sum(_sum_of_squares(path, file, name) for name in value_names(wanted))
    norm = math.sqrt(squares)
    check_norm(path.name, norm, norm_bound=norm_bound)
    return norm


def check_norm(update: str, norm: float, *, norm_bound: float) -> None:
    """Refuse an update whose norm is above the bound, or is no number.

    Args:
        update: Its name, for the error.
        norm: Its L2 norm over all values.
        norm_bound: The greatest that is counted.

    Raises:
        UpdateError: If the update does not count.
    """
    if not norm <= norm_bound:
        remedy = "Lower the learning rate or the epochs, or raise the run's norm bound."
        raise _refused(update, f"has norm {norm:.6g}, above {norm_bound:.6g}", remedy)


def plain_name(name: str) -> str:
    """Return the name of a tensor as it is where no part of the model is compiled.

    `torch.compile` puts a module around the model's own. A site may compile, and another not.

    >>> plain_name("_orig_mod.encoder._orig_mod.weight")
    'encoder.weight'
    """
    return name.replace("_orig_mod.", "")


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the live parameters and persistent buffers, each once under its first name."""
    seen: set[int] = set()
    named = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            named[plain_name(name)] = tensor
    return named


def signature_of(tensors: Mapping[str, Tensor]) -> Signature:
    """Return names, dtypes and shapes of some tensors."""
    return {name: TensorSpec(t.dtype, tuple(t.shape)) for name, t in tensors.items()}


def _sum_of_squares(path: Path, file: TensorFile, name: str) -> float:
    buffer = bytearray(PIECE_BYTES)
    wide = torch.empty(PIECE, dtype=torch.float64)
    total = 0.0
    for piece in file.decoded[name].pieces():
        values = file.read(name, piece, buffer=buffer).values
        squares = _dot(wide[: len(values)].copy_(values))
        # one pass does for both: squares of finite float32 values never overflow a float64
        if not math.isfinite(squares) and not values.isfinite().all():
            remedy = "Lower the learning rate, or look for missing values in the site's data."
            raise _refused(path.name, f"holds NaN or infinity in {name}", remedy)
        total += squares
    return total


def _dot(values: Tensor) -> float:
    return torch.dot(values, values).item()


def _refused(update: str, fault: str, remedy: str) -> UpdateError:
    return UpdateError(f"The update {update} {fault}, so it is not counted. {remedy}")
