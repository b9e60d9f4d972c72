"""A safetensors file of an update, read piece by piece into a buffer that is used again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from common.errors import UpdateError
from models import mxint8
from models.sorted_places import unpack_places

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
"""The dtypes of an update's values, by their names in safetensors."""

DTYPES = _FLOATING | {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
}
"""The dtypes a version may hold, likewise."""

SCALES = ":scales"
"""Ends the name of the tensor that holds the scales of another, whose values are MXINT8."""

PLACES = ":places"
"""Ends the name of the tensor that says where the values of another stand, all others being 0."""

_ENCODED = {"I8": torch.int8, "U8": torch.uint8}
"""The dtypes of values that are encoded, and of their scales."""


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


def value_names(specs: Mapping[str, TensorSpec]) -> list[str]:
    """Return the names of a file's values, without the scales and places of encoded ones."""
    encoded = [name for name, spec in specs.items() if spec.dtype == torch.int8]
    beside = {name + end for name in encoded for end in (SCALES, PLACES)}
    return [name for name in specs if name not in beside]


class _Sparse(NamedTuple):
    """The values of a tensor that are not 0, all of them, and where they stand."""

    name: str
    places: Tensor
    values: Tensor


class Piece(NamedTuple):
    """Some values of one tensor.

    Attributes:
        values: `(count,)`, decoded where they are encoded; valid until the buffer that they were
            read into is used again.
        low: All are multiples of 2**low, where their encoding says so.
    """

    values: Tensor
    low: int | None = None


class TensorFile:
    """One open file, of which only the header is held in memory; use it in a ``with`` block.

    Safetensors (https://github.com/huggingface/safetensors#format) checks the header: its length,
    that every tensor's bytes fit its dtype and shape, and that the tensors lie end to end without
    gap or overlap up to the end of the file. So the sizes alone fix where each tensor lies, and
    the header is not parsed a second time, perhaps differently.

    Attributes:
        specs: What the file holds, in the order of its bytes.
        decoded: What that is once it is decoded.
    """

    def __init__(self, path: Path, decoded: Mapping[str, TensorSpec] | None = None) -> None:
        """Open a file and check its header.

        Args:
            path: The file.
            decoded: What it holds once it is decoded; the same if left out.

        Raises:
            UpdateError: If the file cannot be read, is no whole safetensors file, or holds a dtype
                that no update has.
        """
        self._path = path
        self.specs = _read_specs(path)
        offset = path.stat().st_size - sum(spec.nbytes for spec in self.specs.values())
        self._offsets: dict[str, int] = {}
        for name, spec in self.specs.items():
            self._offsets[name] = offset
            offset += spec.nbytes
        self.decoded = self.specs if decoded is None else decoded
        self._sparse: _Sparse | None = None
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

    def read(self, name: str, piece: tuple[int, int], *, buffer: bytearray) -> Piece:
        """Read one piece of one tensor.

        A tensor of which only some values are there is decoded whole, and kept until another is
        read.

        Args:
            name: One of `decoded`.
            piece: One of the spec's `pieces`: the first value's number and how many values.
            buffer: At least `PIECE_BYTES` long; the values may be a view of it.

        Raises:
            UpdateError: If the file has become shorter since it was opened, or the places of its
                values are none.
        """
        if name + PLACES in self.specs:
            return Piece(self._spread(name, piece, buffer=buffer))
        values = self._raw(name, piece, buffer=buffer)
        if values.dtype != torch.int8:
            return Piece(values)
        start, count = piece
        blocks = start // mxint8.BLOCK, mxint8.num_blocks(count)
        scales = self._raw(name + SCALES, blocks, buffer=bytearray(blocks[1]))
        return Piece(mxint8.decode(values, scales), mxint8.low(scales))

    def _spread(self, name: str, piece: tuple[int, int], *, buffer: bytearray) -> Tensor:
        """Return a piece of a tensor of which only some values are there."""
        if self._sparse is None or self._sparse.name != name:
            self._sparse = self._read_sparse(name)
        start, count = piece
        dense = torch.frombuffer(buffer, dtype=torch.float32, count=count).zero_()
        bounds = torch.tensor([start, start + count])
        first, last = torch.searchsorted(self._sparse.places, bounds).tolist()
        dense[self._sparse.places[first:last] - start] = self._sparse.values[first:last]
        return dense

    def _read_sparse(self, name: str) -> _Sparse:
        parts = [self._whole(name + end) for end in ("", SCALES, PLACES)]
        values, scales, packed = parts
        size = math.prod(self.decoded[name].shape)
        places = unpack_places(packed, size, len(values))
        return _Sparse(name, places, mxint8.decode(values, scales))

    def _whole(self, name: str) -> Tensor:
        spec = self.specs[name]
        return self._raw(name, (0, math.prod(spec.shape)), buffer=bytearray(spec.nbytes))

    def _raw(self, name: str, piece: tuple[int, int], *, buffer: bytearray) -> Tensor:
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
    allowed = _FLOATING | _ENCODED
    for name, (dtype, _) in found.items():
        if dtype not in allowed:
            msg = (
                f"The update {path.name} holds {dtype} values in {name}, so it is not counted. "
                f"Send floating values ({', '.join(_FLOATING)}): update Fairwind at the site."
            )
            raise UpdateError(msg)
    return {name: TensorSpec(allowed[dtype], shape) for name, (dtype, shape) in found.items()}
