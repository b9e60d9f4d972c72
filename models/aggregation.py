"""Aggregation: the weighted mean of updates, exact and the same in any order.

Every delta value is rounded once to a grid of step 2**-exponent and becomes an integer; integers
are summed, and their sum does not depend on the order. The exponent is part of the plan, fixed
before any update is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from common.errors import SettingError, UpdateError
from models.tensor_file import PIECE, PIECE_BYTES, TensorFile, TensorSpec
from models.update import Signature, describe_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUM_BOUND = 2**62
"""What no sum reaches: half of what an int64 holds."""

_VALUE_BOUND = 2**51
"""What no value in grid steps reaches, so that rounding by addition is exact."""

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


def grid_exponent(norm_bound: float, total_weight: int) -> int:
    """Return the exponent of the finest grid on which no sum can overflow.

    The largest e, at most 127, with (norm_bound * 2**e + 1/2) * total_weight < 2**62 and
    norm_bound * 2**e < 2**51: no value of an update is greater than its norm, and rounding adds
    at most half a step.

    Args:
        norm_bound: The greatest L2 norm an update may have, positive.
        total_weight: The greatest sum of weights that may occur, positive.

    Raises:
        SettingError: If no grid is safe, or an argument is not positive and finite.
    """
    if not 0 < norm_bound < math.inf or total_weight <= 0:
        msg = (
            f"The norm bound {norm_bound} and the total weight {total_weight} must be positive and "
            f"finite, so no grid can be chosen. Correct the run's settings."
        )
        raise SettingError(msg)
    largest = min(Fraction(_SUM_BOUND, total_weight) - Fraction(1, 2), Fraction(_VALUE_BOUND))
    if largest <= 1:
        msg = (
            f"A total weight of {total_weight} leaves no room for values in 64 bits, so no grid "
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
        exponent: The grid's, from `grid_exponent`.

    Yields:
        Name and mean of each tensor of the signature, in its order and shape; float64 where the
        deltas are, float32 for all other dtypes.

    Raises:
        UpdateError: If there is nothing to sum, a file is not what the signature says, or a value
            is too large for the grid (or NaN): the bytes have changed since they were admitted.
    """
    if not contributions or min(contribution.weight for contribution in contributions) < 1:
        msg = "There are no updates, or one has no weight, so there is no mean. Wait for a quorum."
        raise UpdateError(msg)
    with ExitStack() as stack:
        files = [stack.enter_context(TensorFile(c.path)) for c in contributions]
        for contribution, file in zip(contributions, files, strict=True):
            _check_specs(contribution.path, file, signature)
        summed = _PieceSum(contributions, files, exponent=exponent)
        for name, spec in signature.items():
            yield name, _mean_tensor(name, spec, summed)


def _mean_tensor(name: str, spec: TensorSpec, summed: _PieceSum) -> Tensor:
    dtype = torch.float64 if spec.dtype == torch.float64 else torch.float32
    mean = torch.empty(spec.shape, dtype=dtype)
    flat = mean.view(-1)
    for start, count in spec.pieces():
        flat[start : start + count] = summed.mean(name, (start, count))
    return mean


class _PieceSum:
    """Sums one piece over all updates, in scratch memory that is used again.

    The integer steps are numpy's, whose int64 multiplication and addition are vectorised where
    torch's are not: three times as fast on one core.
    """

    def __init__(
        self, contributions: Sequence[Contribution], files: Sequence[TensorFile], *, exponent: int
    ) -> None:
        self._inputs = list(zip(contributions, files, strict=True))
        total_weight = sum(contribution.weight for contribution in contributions)
        self._scale = math.ldexp(1.0, exponent)
        self._unit = total_weight * self._scale
        self._largest = min(_SUM_BOUND / total_weight, _VALUE_BOUND) / self._scale
        self._buffer = bytearray(PIECE_BYTES)
        self._scratch = torch.empty(PIECE, dtype=torch.float64)
        self._sums = np.empty(PIECE, dtype=np.int64)

    def mean(self, name: str, piece: tuple[int, int]) -> Tensor:
        """Return the mean of one piece, `(count,)` float64; valid until the next call."""
        count = piece[1]
        scratch, sums = self._scratch[:count], self._sums[:count]
        sums.fill(0)
        for contribution, file in self._inputs:
            values = file.read(name, piece, buffer=self._buffer)
            self._check_bound(contribution.path, name, values)
            steps = _round_to_grid(scratch.copy_(values).numpy(), self._scale)
            np.multiply(steps, contribution.weight, out=steps)
            np.add(sums, steps, out=sums)
        return scratch.copy_(torch.from_numpy(sums)).div_(self._unit)

    def _check_bound(self, path: Path, name: str, values: Tensor) -> None:
        low, high = torch.aminmax(values)
        if not (-self._largest <= low.item() and high.item() <= self._largest):  # NaN fails, too
            msg = (
                f"The update {path.name} holds a value in {name} that is too large for the run's "
                f"grid, so nothing was summed. It was changed after it was admitted: check the "
                f"disk that holds the blobs."
            )
            raise UpdateError(msg)


def _round_to_grid(values: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return `values` (count,) in steps of 1 / scale, rounded, in their own memory.

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
