"""Aggregation: the weighted mean of updates, exact and the same in any order.

A floating value is an integer times a power of two, so the sum of all values times their weights
can be computed exactly, as `models.exact_sum` does; and an exact sum does not depend on the
order. It is divided by the sum of the weights, or by another divisor, and the quotient is rounded
once, to the nearest value of the tensor's dtype. So no change is too small to count, and nothing
has to be known beforehand: neither bounds nor how many updates there will be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from common.errors import UpdateError
from common.update_encodings import UpdateEncoding
from models.exact_sum import MAX_TOTAL_WEIGHT, ExactSum, Extent, quotient, scaled
from models.tensor_file import PIECE, PIECE_BYTES, TensorFile, TensorSpec
from models.update import Signature, State, describe_difference, stack_signature
from models.update_encoding import encoded_signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Contribution:
    """One accepted update of a manifest.

    Attributes:
        path: Its bytes, a safetensors file.
        weight: What it counts, a positive integer.
    """

    path: Path
    weight: int


def weighted_mean(
    contributions: Sequence[Contribution],
    signature: Signature,
    *,
    divisor: int | None = None,
    norm_bound: float,
    encoding: UpdateEncoding = "float32",
) -> Iterator[tuple[str, Tensor]]:
    """Yield the weighted mean of updates, tensor by tensor; the same bits for any order of them.

    Values are read in pieces that stay in cache, so that memory holds one mean tensor however
    many updates there are. Each update keeps a file open until the iterator ends.

    Args:
        contributions: The updates, at least one.
        signature: What each of them holds, decoded.
        divisor: What the sum is divided by, positive; `None` for the sum of the weights.
        norm_bound: What no value of an update that was admitted is above.
        encoding: How they are encoded.

    Yields:
        Name and mean of each tensor of the signature, in its order and shape, rounded once from
        the exact mean; float64 where the deltas are, float32 for all other dtypes.

    Raises:
        UpdateError: If there is nothing to sum, the weights are too large, a file does not match
            the signature, or a value is above the bound (or NaN): the bytes have changed since
            they were admitted.
    """
    scale = _scale([contribution.weight for contribution in contributions], divisor)
    with ExitStack() as stack:
        files = [stack.enter_context(TensorFile(c.path, signature)) for c in contributions]
        held = encoded_signature(signature, encoding)
        for contribution, file in zip(contributions, files, strict=True):
            check_specs(contribution.path, file, held)
        source = _Files(contributions, files, scale)
        yield from _means(source, signature, scale, norm_bound=norm_bound)


def stacked_mean(
    deltas: State, weights: Sequence[int], *, divisor: int | None = None, norm_bound: float
) -> Iterator[tuple[str, Tensor]]:
    """Yield the weighted mean of deltas in memory: the bits `weighted_mean` makes of their files.

    Args:
        deltas: Each tensor `(num_clients, ...)`; not changed.
        weights: What each client's delta counts, positive, `(num_clients,)`.
        divisor: What the sum is divided by, positive; `None` for the sum of the weights.
        norm_bound: What no value of an update that was admitted is above.

    Yields:
        As `weighted_mean`.

    Raises:
        UpdateError: If there is nothing to sum, the weights are too large, or more or fewer than
            the deltas, or a value is above the bound (or NaN).
    """
    scale = _scale(weights, divisor)
    source = _Stack(deltas, weights, scale)
    yield from _means(source, stack_signature(deltas), scale, norm_bound=norm_bound)


class _Scale(NamedTuple):
    """What weights, and the divisor of their sum, are divided by alike; and that divisor then."""

    common: int
    divisor: int


def _scale(weights: Sequence[int], divisor: int | None) -> _Scale:
    if not weights or min(weights) < 1:
        msg = "There are no updates, or one has no weight, so there is no mean. Wait for a quorum."
        raise UpdateError(msg)
    whole = sum(weights) if divisor is None else divisor
    common = math.gcd(whole, *weights)
    most = max(whole, sum(weights)) // common
    if most > MAX_TOTAL_WEIGHT:
        msg = (
            f"The updates' weights sum to {most}, above {MAX_TOTAL_WEIGHT}, so nothing was "
            f"summed. Lower the run's cap on weights."
        )
        raise UpdateError(msg)
    return _Scale(common, whole // common)


def _means(
    source: _Source, signature: Signature, scale: _Scale, *, norm_bound: float
) -> Iterator[tuple[str, Tensor]]:
    summed = _PieceMean(source, scale.divisor, norm_bound=norm_bound)
    for name, spec in signature.items():
        yield name, _mean_tensor(name, spec, summed)


def _mean_tensor(name: str, spec: TensorSpec, summed: _PieceMean) -> Tensor:
    dtype = torch.float64 if spec.dtype == torch.float64 else torch.float32
    mean = torch.empty(spec.shape, dtype=dtype)
    flat = mean.view(-1)
    for start, count in spec.pieces():
        flat[start : start + count] = summed.mean(name, (start, count), dtype)
    return mean


class _Block(NamedTuple):
    """The same piece of some updates.

    Attributes:
        values: `(rows, count)`, of a floating dtype; valid until the next block is read.
        weights: What each row counts, `(rows,)`.
        context: Which updates these are, and what to do if they do not fit, for the error.
        low: All values are multiples of 2**low, if that is known.
    """

    values: Tensor
    weights: NDArray[np.int64]
    context: tuple[str, str]
    low: int | None = None


class _Source(Protocol):
    """Where the updates lie.

    Attributes:
        weights: What each counts, divided by what all weights and the divisor share.
    """

    weights: NDArray[np.int64]

    def blocks(self, name: str, piece: tuple[int, int]) -> Iterator[_Block]:
        """Yield a piece of all updates, at most `PIECE` values at a time."""


class _Files:
    """Updates on disk, one in a block."""

    def __init__(
        self, contributions: Sequence[Contribution], files: Sequence[TensorFile], scale: _Scale
    ) -> None:
        self.weights = _scaled([contribution.weight for contribution in contributions], scale)
        self._inputs = [
            (file, self.weights[row : row + 1], contributions[row].path.name)
            for row, file in enumerate(files)
        ]
        self._buffer = bytearray(PIECE_BYTES)

    def blocks(self, name: str, piece: tuple[int, int]) -> Iterator[_Block]:
        remedy = "It was changed after it was admitted: check the disk that holds the blobs."
        for file, weights, called in self._inputs:
            values, low = file.read(name, piece, buffer=self._buffer)
            yield _Block(values.unsqueeze(0), weights, (f"update {called}", remedy), low)


class _Stack:
    """Updates in memory, as many in a block as fit."""

    def __init__(self, deltas: State, weights: Sequence[int], scale: _Scale) -> None:
        self.weights = _scaled(weights, scale)
        self._rows = {n: d.reshape(len(d), math.prod(d.shape[1:])) for n, d in deltas.items()}
        for name, rows in self._rows.items():
            if len(rows) != len(weights):
                msg = (
                    f"There are {len(rows)} deltas of {name} but {len(weights)} weights, so "
                    f"nothing was summed. Give one weight for each client."
                )
                raise UpdateError(msg)

    def blocks(self, name: str, piece: tuple[int, int]) -> Iterator[_Block]:
        start, count = piece
        height = PIECE // count
        remedy = "Leave out the updates whose norm is above the run's bound, or not finite."
        for top in range(0, len(self.weights), height):
            rows = slice(top, top + height)
            values = self._rows[name][rows, start : start + count]
            last = top + len(values) - 1
            yield _Block(values, self.weights[rows], (f"one of deltas {top} to {last}", remedy))


class _PieceMean:
    """Means of one piece after the other, in scratch memory that is used again."""

    def __init__(self, source: _Source, divisor: int, *, norm_bound: float) -> None:
        self._source = source
        self._norm_bound = norm_bound
        self._total = divisor
        self._sum = ExactSum(
            PIECE, total_weight=int(source.weights.sum()), divisor=divisor,
            num_updates=len(source.weights),
        )  # fmt: skip

    def mean(self, name: str, piece: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """Return the mean of one piece, `(count,)` float64; valid until the next call.

        Args:
            name: The tensor's.
            piece: The first value's number and how many values.
            dtype: To which the mean will be rounded: float32 or float64.
        """
        self._sum.begin(piece[1])
        self._add_all(name, piece)
        if not self._sum.recoverable:
            self._sum.begin(piece[1], top=self._sum.top)
            self._add_all(name, piece)
        means = self._sum.means(dtype)
        columns = self._sum.left_out
        if len(columns):
            exact = self._one_by_one(name, piece, columns, dtype)
            means[torch.from_numpy(columns)] = torch.tensor(exact, dtype=torch.float64)
        return means

    def _add_all(self, name: str, piece: tuple[int, int]) -> None:
        for block in self._source.blocks(name, piece):
            extent = self._sum.extent(block.values, low=block.low)
            if extent is not None:
                self._check_bound(block, name, extent)
                self._sum.add(block.values, block.weights, extent)

    def _check_bound(self, block: _Block, name: str, extent: Extent) -> None:
        if not extent.largest <= self._norm_bound:  # NaN fails, too
            which, remedy = block.context
            msg = (
                f"The {which} holds a value in {name} that is above the run's norm bound, or is no "
                f"number, so nothing was summed. {remedy}"
            )
            raise UpdateError(msg)

    def _one_by_one(
        self, name: str, piece: tuple[int, int], columns: NDArray[np.intp], dtype: torch.dtype
    ) -> list[float]:
        sums = [0] * len(columns)
        for block in self._source.blocks(name, piece):
            rows = block.values[:, torch.from_numpy(columns)].double().tolist()
            for row, weight in zip(rows, block.weights.tolist(), strict=True):
                for place, value in enumerate(row):
                    sums[place] += weight * scaled(value)
        return [quotient(summed, self._total, dtype) for summed in sums]


def _scaled(weights: Sequence[int], scale: _Scale) -> NDArray[np.int64]:
    return np.array([weight // scale.common for weight in weights], dtype=np.int64)


def check_specs(path: Path, file: TensorFile, signature: Signature) -> None:
    """Refuse a file that does not hold what its signature promises.

    Raises:
        UpdateError: If it does not.
    """
    difference = describe_difference(file.specs, signature)
    if difference:
        msg = (
            f"The update {path.name} {difference}, so nothing was summed. It was changed after it "
            f"was admitted, or belongs to another model: check the disk that holds the blobs."
        )
        raise UpdateError(msg)
