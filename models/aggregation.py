"""Aggregation: the weighted mean of updates, exact and the same in any order.

Every delta value is rounded once to a fixed-point scale of step 2**-exponent and becomes an
integer; integers are summed, and their sum does not depend on the order. The exponent is part of
the plan, fixed before any update is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from common.errors import SettingError, UpdateError
from models.tensor_file import PIECE, PIECE_BYTES, TensorFile, TensorSpec
from models.update import Signature, State, describe_difference, stack_signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUM_BOUND = 2**62
"""What no sum reaches: half of what an int64 holds."""

_VALUE_BOUND = 2**51
"""What no value in steps of the scale reaches, so that rounding by addition is exact."""

_ROUNDER = 1.5 * 2**52
"""Added to a float64 below 2**51, leaves it rounded, half to even, in its low bits."""

_ROUNDER_BITS = int(np.float64(_ROUNDER).view(np.int64))

_MAX_EXPONENT = 127
"""Scaling by 2**127 is exact for every value that passes the bound, in float32 too."""


@dataclass(frozen=True)
class Contribution:
    """One accepted update of a manifest.

    Attributes:
        path: Its bytes, a safetensors file.
        weight: What it counts, a positive integer.
    """

    path: Path
    weight: int


def scale_exponent(norm_bound: float, total_weight: int) -> int:
    """Return the exponent of the finest fixed-point scale on which no sum can overflow.

    The largest e, at most 127, with (norm_bound * 2**e + 1/2) * total_weight < 2**62 and
    norm_bound * 2**e < 2**51: no value of an update is greater than its norm, and rounding adds
    at most half a step.

    Args:
        norm_bound: The greatest L2 norm an update may have, positive.
        total_weight: The greatest sum of weights that may occur, positive.

    Raises:
        SettingError: If no scale is safe, or an argument is not positive and finite.
    """
    if not 0 < norm_bound < math.inf or total_weight <= 0:
        msg = (
            f"The norm bound {norm_bound} and the total weight {total_weight} must be positive and "
            f"finite, so no fixed-point scale can be chosen. Correct the run's settings."
        )
        raise SettingError(msg)
    largest = min(Fraction(_SUM_BOUND, total_weight) - Fraction(1, 2), Fraction(_VALUE_BOUND))
    if largest <= 1:
        msg = (
            f"A total weight of {total_weight} leaves no room for values in 64 bits, so no scale "
            f"can be chosen. Lower the run's cap on weights."
        )
        raise SettingError(msg)
    ratio = largest / Fraction(norm_bound)
    exponent = min(_MAX_EXPONENT, ratio.numerator.bit_length() - ratio.denominator.bit_length())
    while Fraction(2) ** exponent >= ratio:
        exponent -= 1
    return exponent


def weighted_mean(
    contributions: Sequence[Contribution], signature: Signature, *, exponent: int
) -> Iterator[tuple[str, Tensor]]:
    """Yield the weighted mean of updates, tensor by tensor; the same bits for any order of them.

    Values are read in pieces that stay in cache, so that memory holds one mean tensor however
    many updates there are. Each update keeps a file open until the iterator ends.

    Args:
        contributions: The updates, at least one.
        signature: What each of them holds.
        exponent: Of the fixed-point scale, from `scale_exponent`.

    Yields:
        Name and mean of each tensor of the signature, in its order and shape; float64 where the
        deltas are, float32 for all other dtypes.

    Raises:
        UpdateError: If there is nothing to sum, a file does not match the signature, or a value
            is too large for the scale (or NaN): the bytes have changed since they were admitted.
    """
    _check_weights([contribution.weight for contribution in contributions])
    with ExitStack() as stack:
        files = [stack.enter_context(TensorFile(c.path)) for c in contributions]
        for contribution, file in zip(contributions, files, strict=True):
            _check_specs(contribution.path, file, signature)
        yield from _means(_Files(contributions, files), signature, exponent=exponent)


def stacked_mean(
    deltas: State, weights: Sequence[int], *, exponent: int
) -> Iterator[tuple[str, Tensor]]:
    """Yield the weighted mean of deltas in memory: the bits `weighted_mean` makes of their files.

    Args:
        deltas: Each tensor `(num_clients, ...)`; not changed.
        weights: What each client's delta counts, positive, `(num_clients,)`.
        exponent: Of the fixed-point scale, from `scale_exponent`.

    Yields:
        As `weighted_mean`.

    Raises:
        UpdateError: If there is nothing to sum, the weights are more or fewer than the deltas, or
            a value is too large for the scale (or NaN).
    """
    _check_weights(weights)
    yield from _means(_Stack(deltas, weights), stack_signature(deltas), exponent=exponent)


def _check_weights(weights: Sequence[int]) -> None:
    if not weights or min(weights) < 1:
        msg = "There are no updates, or one has no weight, so there is no mean. Wait for a quorum."
        raise UpdateError(msg)


def _means(source: _Source, signature: Signature, *, exponent: int) -> Iterator[tuple[str, Tensor]]:
    summed = _PieceSum(source, exponent=exponent)
    for name, spec in signature.items():
        yield name, _mean_tensor(name, spec, summed)


def _mean_tensor(name: str, spec: TensorSpec, summed: _PieceSum) -> Tensor:
    dtype = torch.float64 if spec.dtype == torch.float64 else torch.float32
    mean = torch.empty(spec.shape, dtype=dtype)
    flat = mean.view(-1)
    for start, count in spec.pieces():
        flat[start : start + count] = summed.mean(name, (start, count))
    return mean


class _Block(NamedTuple):
    """The same piece of some updates.

    Attributes:
        values: `(rows, count)`, of a floating dtype; valid until the next block is read.
        weights: What each row counts, `(rows,)`.
        context: Which updates these are, and what to do if they do not fit, for the error.
    """

    values: Tensor
    weights: NDArray[np.int64]
    context: tuple[str, str]


class _Source(Protocol):
    """Where the updates lie."""

    total_weight: int

    def blocks(self, name: str, piece: tuple[int, int]) -> Iterator[_Block]:
        """Yield a piece of all updates, at most `PIECE` values at a time."""


class _Files:
    """Updates on disk, one in a block."""

    def __init__(self, contributions: Sequence[Contribution], files: Sequence[TensorFile]) -> None:
        self.total_weight = sum(contribution.weight for contribution in contributions)
        self._inputs = [
            (file, np.array([contribution.weight], dtype=np.int64), contribution.path.name)
            for contribution, file in zip(contributions, files, strict=True)
        ]
        self._buffer = bytearray(PIECE_BYTES)

    def blocks(self, name: str, piece: tuple[int, int]) -> Iterator[_Block]:
        remedy = "It was changed after it was admitted: check the disk that holds the blobs."
        for file, weights, called in self._inputs:
            values = file.read(name, piece, buffer=self._buffer)
            yield _Block(values.unsqueeze(0), weights, (f"update {called}", remedy))


class _Stack:
    """Updates in memory, as many in a block as fit."""

    def __init__(self, deltas: State, weights: Sequence[int]) -> None:
        self.total_weight = sum(weights)
        self._weights = np.array(weights, dtype=np.int64)
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
        for top in range(0, len(self._weights), height):
            rows = slice(top, top + height)
            values = self._rows[name][rows, start : start + count]
            last = top + len(values) - 1
            yield _Block(values, self._weights[rows], (f"one of deltas {top} to {last}", remedy))


class _PieceSum:
    """Sums one piece over all updates, in scratch memory that is used again.

    The integer steps are numpy's, whose int64 multiplication and addition are vectorised where
    torch's are not: three times as fast on one core.
    """

    def __init__(self, source: _Source, *, exponent: int) -> None:
        self._source = source
        self._scale = math.ldexp(1.0, exponent)
        self._unit = source.total_weight * self._scale
        self._largest = min(_SUM_BOUND / source.total_weight, _VALUE_BOUND) / self._scale
        self._scratch = torch.empty(PIECE, dtype=torch.float64)
        self._sums = np.empty(PIECE, dtype=np.int64)

    def mean(self, name: str, piece: tuple[int, int]) -> Tensor:
        """Return the mean of one piece, `(count,)` float64; valid until the next call."""
        count = piece[1]
        sums = self._sums[:count]
        sums.fill(0)
        for block in self._source.blocks(name, piece):
            self._check_bound(block, name)
            values = self._scratch[: block.values.numel()].view(block.values.shape)
            steps = _round_to_grid(values.copy_(block.values).numpy(), self._scale)
            np.multiply(steps, block.weights[:, np.newaxis], out=steps)
            # for one row, to sum would be to copy
            np.add(sums, steps[0] if len(steps) == 1 else steps.sum(axis=0), out=sums)
        return self._scratch[:count].copy_(torch.from_numpy(sums)).div_(self._unit)

    def _check_bound(self, block: _Block, name: str) -> None:
        low, high = torch.aminmax(block.values)
        if not (-self._largest <= low.item() and high.item() <= self._largest):  # NaN fails, too
            which, remedy = block.context
            msg = (
                f"The {which} holds a value in {name} that is too large for the run's "
                f"fixed-point scale, so nothing was summed. {remedy}"
            )
            raise UpdateError(msg)


def _round_to_grid(values: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return `values` in steps of 1 / scale, rounded, in their own memory.

    Scaling by a power of two is exact, so each value is rounded once, by the addition. It is
    cheaper than to round and to convert, for which processors without AVX-512 have no vectors.
    """
    np.multiply(values, scale, out=values)
    np.add(values, _ROUNDER, out=values)
    steps = values.view(np.int64)
    np.subtract(steps, _ROUNDER_BITS, out=steps)
    return steps


def _check_specs(path: Path, file: TensorFile, signature: Signature) -> None:
    difference = describe_difference(file.specs, signature)
    if difference:
        msg = (
            f"The update {path.name} {difference}, so nothing was summed. It was changed after it "
            f"was admitted, or belongs to another model: check the disk that holds the blobs."
        )
        raise UpdateError(msg)
