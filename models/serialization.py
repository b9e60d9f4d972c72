"""States as safetensors: written without a copy, mapped from disk, or seen in bytes at hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from common.errors import UpdateError
from models.update import State


def write_state(state: State, path: Path) -> None:
    """Write a state as safetensors, without a copy in memory. Equal states give equal bytes."""
    safetensors.torch.save_file(state, path)


def read_state(path: Path) -> State:
    """Read a state that `write_state` wrote.

    The tensors are mapped from the file: memory fills as they are used, changing them does not
    change the file, and the file must not be rewritten in place while they live.

    Raises:
        UpdateError: If the file is missing or is no whole safetensors file.
    """
    with _explained(path.name):
        return safetensors.torch.load_file(path)


def parse_state(data: bytearray) -> State:
    """Return the state whose safetensors bytes these are; the tensors are views of them.

    The library's own reader copies every tensor, which for a large model takes longer than
    training does. https://github.com/huggingface/safetensors#format

    Raises:
        UpdateError: If they are no whole safetensors.
    """
    try:
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:begin])
        header.pop("__metadata__", None)
        return {name: _view(data, begin, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UpdateError(_not_whole(f"of {len(data)} bytes", error)) from error


def _view(data: bytearray, begin: int, entry: dict[str, Any]) -> Tensor:
    dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
    start, end = entry["data_offsets"]
    count = math.prod(shape)
    if count * dtype.itemsize != end - start:
        msg = f"{end - start} bytes cannot be {count} values of {entry['dtype']}"
        raise ValueError(msg)
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=count, offset=begin + start).view(shape)


_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


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
