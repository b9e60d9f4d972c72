"""States as safetensors: written without a copy, mapped from disk, or seen in bytes at hand."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from common.errors import UpdateError
from models.tensor_file import DTYPES
from models.update import State

_FROZEN = "fairwind.frozen"
"""The entry of a header's metadata that names the rest of a model."""


def write_state(state: State, path: Path, *, frozen: str | None = None) -> None:
    """Write a state as safetensors, without a copy in memory. Equal arguments give equal bytes.

    Args:
        state: What to write.
        path: Where.
        frozen: The SHA-256 of the file with the model's frozen part, which the header names.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        safetensors.torch.save_file(state, path, metadata=naming(frozen))
    except SafetensorError as error:
        path.unlink(missing_ok=True)
        # The library puts the number of the system's error into its text alone.
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def naming(frozen: str | None) -> dict[str, str] | None:
    """Return the metadata of a header that names a frozen part."""
    return None if frozen is None else {_FROZEN: frozen}


def frozen_name(path: Path) -> str | None:
    """Return the SHA-256 of the frozen part that a version names; `None` if it names none.

    Raises:
        UpdateError: If the file is missing or is no whole safetensors file.
    """
    with _explained(path.name), safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
        return metadata.get(_FROZEN)


def read_state(path: Path) -> State:
    """Read a state that `write_state` wrote.

    The tensors are mapped from the file: memory fills as they are used, changing them does not
    change the file, and the file must not be rewritten in place while they live.

    Raises:
        UpdateError: If the file is missing or is no whole safetensors file.
    """
    with _explained(path.name):
        return safetensors.torch.load_file(path)


def parse_state(data: bytearray | memoryview) -> State:
    """Return the state whose safetensors bytes these are; the tensors are views of them.

    The library's own reader copies every tensor, which for a large model takes longer than
    training does. https://github.com/huggingface/safetensors#format

    Raises:
        UpdateError: If they are no whole safetensors.
    """
    try:
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8:begin]))
        header.pop("__metadata__", None)
        return {name: _view(data, begin, entry) for name, entry in header.items()}
    except _UNFIT as error:
        raise UpdateError(_not_whole(f"of {len(data)} bytes", error)) from error


_UNFIT = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What a header raises that says something else than a state's; nesting is a `RuntimeError`."""


def _view(data: bytearray | memoryview, begin: int, entry: dict[str, Any]) -> Tensor:
    dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
    start, end = entry["data_offsets"]
    count = math.prod(shape)
    if start < 0 or any(not isinstance(length, int) or length < 0 for length in shape):
        msg = f"{str(shape)[:100]} is no shape, or its place is none"
        raise ValueError(msg)
    if count * dtype.itemsize != end - start:
        msg = f"{end - start} bytes cannot be {count} values of {entry['dtype']}"
        raise ValueError(msg)
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=count, offset=begin + start).view(shape)


@contextmanager
def _explained(which: str) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise UpdateError(_not_whole(which, error)) from error


def _not_whole(which: str, error: Exception) -> str:
    return (
        f"The state {which} is not whole safetensors ({error}), so it cannot be used. "
        f"Fetch it again; if that fails, look for what altered its bytes."
    )
