"""The updates of a round as rows, of which rules read one piece after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common.update_encodings import UpdateEncoding
from models.aggregation import Contribution, check_specs, stacked_mean, weighted_mean
from models.tensor_file import PIECE_BYTES, TensorFile
from models.update import Signature, State, stack_signature
from models.update_encoding import encoded_signature

Values = NDArray[np.floating[Any]]
"""`(rows, count)` or `(count,)`, float32, or float64 where the updates are."""


class Rows(Protocol):
    """Updates in a fixed order, that of their clients' ids: ties go to the first.

    Attributes:
        count: How many there are.
        signature: What each holds, decoded.
    """

    count: int
    signature: Signature

    def read(self, name: str, piece: tuple[int, int], rows: Sequence[int]) -> Values:
        """Return a piece of a tensor of some updates; a copy of the caller's own."""

    def mean(
        self, weights: Sequence[int], *, divisor: int, norm_bound: float
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the exact weighted sum over a divisor; rows without weight are not read."""


class FileRows:
    """Updates on disk, which stay open; use it in a ``with`` block.

    Args:
        paths: Their files.
        signature: What each holds, decoded.
        encoding: How they are encoded.

    Raises:
        UpdateError: If a file does not match the signature.
    """

    def __init__(
        self, paths: Sequence[Path], signature: Signature, *, encoding: UpdateEncoding = "float32"
    ) -> None:
        self.count = len(paths)
        self.signature = signature
        self._paths, self._encoding = paths, encoding
        self._buffer = bytearray(PIECE_BYTES)
        held = encoded_signature(signature, encoding)
        with ExitStack() as stack:
            self._files = [stack.enter_context(TensorFile(path, signature)) for path in paths]
            for path, file in zip(paths, self._files, strict=True):
                check_specs(path, file, held)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Return the open files."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files."""
        self._stack.close()

    def read(self, name: str, piece: tuple[int, int], rows: Sequence[int]) -> Values:
        """Return a piece of a tensor of some updates."""
        values = np.empty((len(rows), piece[1]), dtype=_dtype(self.signature, name))
        for place, row in enumerate(rows):
            read = self._files[row].read(name, piece, buffer=self._buffer).values
            torch.from_numpy(values[place]).copy_(read)
        return values

    def mean(
        self, weights: Sequence[int], *, divisor: int, norm_bound: float
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the exact weighted sum over a divisor."""
        parts = [Contribution(p, w) for p, w in zip(self._paths, weights, strict=True) if w]
        return weighted_mean(
            parts, self.signature, divisor=divisor, norm_bound=norm_bound, encoding=self._encoding
        )


class StackedRows:
    """Updates in memory.

    Args:
        deltas: Each tensor `(num_clients, *shape)`; not changed.
    """

    def __init__(self, deltas: State) -> None:
        self.count = len(next(iter(deltas.values())))
        self.signature = stack_signature(deltas)
        self._deltas = deltas
        self._rows = {n: d.reshape(len(d), math.prod(d.shape[1:])) for n, d in deltas.items()}

    def read(self, name: str, piece: tuple[int, int], rows: Sequence[int]) -> Values:
        """Return a piece of a tensor of some updates."""
        start, count = piece
        values = np.empty((len(rows), count), dtype=_dtype(self.signature, name))
        torch.from_numpy(values).copy_(self._rows[name][list(rows), start : start + count])
        return values

    def mean(
        self, weights: Sequence[int], *, divisor: int, norm_bound: float
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the exact weighted sum over a divisor."""
        kept = [row for row, weight in enumerate(weights) if weight]
        deltas = {name: delta[kept] for name, delta in self._deltas.items()}
        parts = [weights[row] for row in kept]
        return stacked_mean(deltas, parts, divisor=divisor, norm_bound=norm_bound)


def _dtype(signature: Signature, name: str) -> type[np.float32 | np.float64]:
    return np.float64 if signature[name].dtype == torch.float64 else np.float32
