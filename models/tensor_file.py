"""A safetensors file of floating tensors, read piece by piece into a buffer that is used again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from common.errors import UpdateError

PIECE = 1 << 16
"""Values in a piece: with an int64 beside every value, a few pieces stay in a core's cache."""

PIECE_BYTES = PIECE * 8
"""Bytes of a buffer that holds a piece of any floating dtype."""

_FLOATING = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}

FLOATING_DTYPES = frozenset(_FLOATING.values())
"""The dtypes an update may hold."""


class TensorSpec(NamedTuple):
    """What one tensor must be."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Yield the pieces it is read in: the first value's number and how many values."""
        size = math.prod(self.shape)
        for start in range(0, size, PIECE):
            yield start, min(PIECE, size - start)


class TensorFile:
    """One open file, of which only the header is held in memory; use it in a ``with`` block.

    Safetensors (https://github.com/huggingface/safetensors#format) checks the header: its length,
    that every tensor's bytes fit its dtype and shape, and that the tensors lie end to end without
    gap or overlap up to the end of the file. So the sizes alone fix where each tensor lies, and
    the header is not parsed a second time, perhaps differently.

    Attributes:
        specs: What the file holds, in the order of its bytes.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and check its header.

        Raises:
            UpdateError: If the file cannot be read, is no whole safetensors file, or holds a dtype
                that is not floating.
        """
        self._path = path
        self.specs = _read_specs(path)
        offset = path.stat().st_size - sum(spec.nbytes for spec in self.specs.values())
        self._offsets: dict[str, int] = {}
        for name, spec in self.specs.items():
            self._offsets[name] = offset
            offset += spec.nbytes
        self._descriptor = os.open(path, os.O_RDONLY)

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def read(self, name: str, piece: tuple[int, int], *, buffer: bytearray) -> Tensor:
        """Read one piece of one tensor.

        Args:
            name: One of `specs`.
            piece: One of the spec's `pieces`: the first value's number and how many values.
            buffer: At least `PIECE_BYTES` long; the returned tensor is a view of it.

        Returns:
            The values, `(count,)`; valid until the buffer is used again.

        Raises:
            UpdateError: If the file has become shorter since it was opened.
        """
        start, count = piece
        dtype = self.specs[name].dtype
        wanted = memoryview(buffer)[: count * dtype.itemsize]
        offset = self._offsets[name] + start * dtype.itemsize
        if os.preadv(self._descriptor, [wanted], offset) != len(wanted):
            msg = (
                f"The update {self._path.name} became shorter while it was read, so it is not "
                f"counted. Check the disk and what else writes to its folder."
            )
            raise UpdateError(msg)
        return torch.frombuffer(buffer, dtype=dtype, count=count)


def _read_specs(path: Path) -> dict[str, TensorSpec]:
    try:
        with safe_open(path, framework="pt") as header:
            slices = {name: header.get_slice(name) for name in header.offset_keys()}
            found = {name: (s.get_dtype(), tuple(s.get_shape())) for name, s in slices.items()}
    except (SafetensorError, OSError) as error:
        msg = (
            f"The update {path.name} is not a whole safetensors file ({error}), so it is not "
            f"counted. Send it again; if that fails, look for what altered its bytes."
        )
        raise UpdateError(msg) from error
    for name, (dtype, _) in found.items():
        if dtype not in _FLOATING:
            msg = (
                f"The update {path.name} holds {dtype} values in {name}, so it is not counted. "
                f"Send floating values ({', '.join(_FLOATING)}): update Fairwind at the site."
            )
            raise UpdateError(msg)
    return {name: TensorSpec(_FLOATING[dtype], shape) for name, (dtype, shape) in found.items()}
