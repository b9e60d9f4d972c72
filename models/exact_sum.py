"""Exact weighted sums of floating values: the same integers, so the same bits, in any order."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_DIVISOR_BITS = 58
"""Of a divisor whose remainders are exact: sixteen times as much fits an int64."""

MAX_TOTAL_WEIGHT = 2**_DIVISOR_BITS - 1
"""What weights may sum to."""

_FIRST_WINDOW = 48
"""Steps of the first update's largest value, as a power of two: eight times as large ones are
still rounded in one addition. What is 2**24 times smaller loses no bit of a float32."""

_NARROW_WINDOW = 44
"""From this many bits on, a scale on which sums fit an int64 loses so few bits that it is tried."""

_ROUNDED = 51
"""One addition rounds values below 2**51 steps."""

_FINEST = 960
"""No step is finer than 2**-960, so that no quotient is subnormal in float64."""

_FEW = 16
"""So few values are summed one by one in less time than a finer scale takes for all."""

_TIE = 1 << 28
"""The low 29 bits of a float64 in the middle between two neighbouring float32 values."""

_CHUNK = 1 << 13
"""Quotients corrected at a time: what that takes beside them stays in cache."""

_NEAR = 8
"""Units in the last place by which a quotient is off, at most 4, with room to spare."""


class Extent(NamedTuple):
    """What bounds some values, not all of them 0.

    Attributes:
        largest: The greatest absolute value; NaN if one is NaN.
        top: All are below 2**top.
        low: All are multiples of 2**low.
    """

    largest: float
    top: int
    low: int


class _Layout(NamedTuple):
    """How the values of a dtype lie in memory, those of 16 bits once they are float32."""

    bits: type[np.uint32 | np.uint64]
    one: np.uint32 | np.uint64
    magnitude: np.uint32 | np.uint64
    smallest_normal: float
    precision: int

    @classmethod
    def of(cls, dtype: torch.dtype) -> _Layout:
        facts = torch.finfo(dtype)
        bits = np.uint64 if dtype == torch.float64 else np.uint32
        precision = 2 - math.frexp(facts.eps)[1]
        return cls(bits, bits(1), bits(np.iinfo(bits).max >> 1), facts.smallest_normal, precision)


_DTYPES = torch.float16, torch.bfloat16, torch.float32, torch.float64
_LAYOUTS = {dtype: _Layout.of(dtype) for dtype in _DTYPES}


class ExactSum:
    """Sums one piece over all updates, exactly, in scratch memory that is used again.

    Every value is an integer on a scale of step 2**-e, as fine as the values need. Of their
    weighted sum S, `_sums` holds S modulo 2**64: int64 arithmetic wraps. Where S may be larger,
    `_near` holds S in float64, which is inexact, but by less than 2**62 steps: the two together
    are S. The scale may become finer while summing: that shifts `_sums` to the left.

    A few values may be far smaller than the others around them and still have bits of their own.
    Their columns are not summed here but named by `left_out`.

    The integer steps are numpy's, whose int64 multiplication and addition are vectorised where
    torch's are not.
    """

    def __init__(self, size: int, *, total_weight: int, divisor: int, num_updates: int) -> None:
        """Reserve memory.

        Args:
            size: Values in the longest piece, and in a block.
            total_weight: The sum of all weights, positive, at most `MAX_TOTAL_WEIGHT`.
            divisor: What the sums are divided by, likewise.
            num_updates: How many updates are summed.
        """
        self._total = divisor
        self._weight_bits = max(total_weight, divisor).bit_length()
        # n additions in float64 are off by n * 2**-53 of the largest sum; 2**61 steps may be lost
        self._limit = 112 - (num_updates + 4).bit_length() - self._weight_bits
        self._memory = np.empty((4, size))
        self._sums_memory = np.empty(size, dtype=np.int64)
        self.begin(0)

    def begin(self, count: int, *, top: int | None = None) -> None:
        """Forget all sums.

        Args:
            count: Values in the next piece.
            top: All values are below 2**top, if that is known.
        """
        self._sums = self._sums_memory[:count]
        self._sums.fill(0)
        self._offset = 0  # what the rounders have added to every sum
        self._near: Floats | None = None
        self._exponent = 0 if top is None else self._first_exponent(top)
        self.top = top
        self._left_out: list[NDArray[np.intp]] = []

    @property
    def recoverable(self) -> bool:
        """Whether the sums are known; else begin again with the `top` that is known now."""
        return self.top is None or self.top + self._exponent <= self._limit

    @property
    def left_out(self) -> NDArray[np.intp]:
        """The columns that must be summed in another way."""
        return np.unique(np.concatenate([np.empty(0, dtype=np.intp), *self._left_out]))

    def extent(self, values: Tensor, *, low: int | None = None) -> Extent | None:
        """Return what bounds values `(rows, count)`, multiples of 2**low; `None` if all are 0."""
        layout = _LAYOUTS[values.dtype]
        if values.dtype not in (torch.float32, torch.float64):
            values = values.to(torch.float32)
        array = values.numpy()
        bits = self._memory[0].view(layout.bits)[: array.size].reshape(array.shape)
        np.bitwise_and(array.view(layout.bits), layout.magnitude, out=bits)
        largest = float(bits.max().view(array.dtype))
        if not largest:
            return None
        if low is not None:
            return Extent(largest, math.frexp(largest)[1], low)
        np.subtract(bits, layout.one, out=bits)  # zeros wrap to the maximum
        smallest = float((bits.min() + layout.one).view(array.dtype))
        low = math.frexp(max(smallest, layout.smallest_normal))[1] - layout.precision
        return Extent(largest, math.frexp(largest)[1], low)

    def add(self, values: Tensor, weights: Ints, extent: Extent) -> None:
        """Add updates.

        Args:
            values: `(rows, count)`, finite; not changed.
            weights: What each row counts, `(rows,)`.
            extent: Of the values.
        """
        if self.top is None:
            self._exponent = self._first_exponent(extent.top)
        self.top = extent.top if self.top is None else max(self.top, extent.top)
        self._widen(self._exponent)
        rest = self._scratch(0, values.shape)
        torch.from_numpy(rest).copy_(values)
        in_near, exponent = False, min(self._exponent, _ROUNDED - extent.top)
        while True:
            if self._near is not None and not in_near:
                _add_weighted(self._near, rest, weights)
                in_near = True
            exact = -exponent <= extent.low
            if self._add_steps(rest, weights, exponent, exact=exact):
                return
            finer = min(exponent + _ROUNDED - 1, -extent.low)
            if exponent < self._exponent:
                finer = min(finer, self._exponent)
            elif not self._refine(finer, rest):
                return
            exponent = finer

    def means(self, dtype: torch.dtype) -> Tensor:
        """Return the sums divided by the divisor, `(count,)` float64; valid until `begin`.

        Args:
            dtype: float64, for quotients that are rounded correctly, or float32, for quotients
                that converting to float32 rounds correctly.
        """
        if self.top is None:
            return torch.zeros(self._sums.shape, dtype=torch.float64)
        sums, total = self._settle(), self._scratch(1, self._sums.shape)
        np.copyto(total, sums, casting="unsafe")
        if self._near is not None:
            missing = np.multiply(self._near, math.ldexp(1.0, self._exponent), out=self._near)
            np.subtract(missing, total, out=missing)
            np.multiply(missing, 2.0**-64, out=missing)
            np.rint(missing, out=missing)
            np.multiply(missing, 2.0**64, out=missing)
            np.add(total, missing, out=total)
        means = np.divide(total, math.ldexp(float(self._total), self._exponent), out=total)
        double = dtype == torch.float64
        where = np.arange(len(means)) if double else self._unsure(means)
        for start in range(0, len(where), _CHUNK):
            part = where[start : start + _CHUNK]
            self._correct(means, sums, part, spare=2 if double else 0)
        return torch.from_numpy(means)

    def _first_exponent(self, top: int) -> int:
        narrow = 59 - self._weight_bits
        window = narrow if narrow >= _NARROW_WINDOW else self._limit - 4
        return min(min(window, _FIRST_WINDOW) - top, _FINEST)

    def _scratch(self, number: int, shape: tuple[int, ...]) -> Floats:
        return self._memory[number, : math.prod(shape)].reshape(shape)

    def _add_steps(self, rest: Floats, weights: Ints, exponent: int, *, exact: bool) -> bool:
        """Add what a scale of step 2**-exponent holds of `rest`, and leave what is finer there.

        To add the rounder leaves a float64 rounded, as an integer, in its low bits. That needs no
        scaling, and is cheaper than to convert, for which older processors have no vectors.

        Returns:
            Whether nothing is left.
        """
        rounder = math.ldexp(1.5, 52 - exponent)
        rounded = rest if exact else self._scratch(2, rest.shape)
        np.add(rest, rounder, out=rounded)
        if not exact:
            coarse = self._scratch(1, rest.shape)
            np.subtract(rest, np.subtract(rounded, rounder, out=coarse), out=rest)
            exact = not rest.any()
        steps, weight = rounded.view(np.int64), _total(weights)
        if weight > len(weights):
            np.multiply(steps, weights[:, np.newaxis], out=steps)
        # for one row, to sum would be to copy
        summed = steps[0] if len(steps) == 1 else steps.sum(axis=0)
        shift = self._exponent - exponent
        if shift:
            summed = np.left_shift(summed, shift)
        np.add(self._sums, summed, out=self._sums)
        self._offset += weight * _float64_bits(rounder) << shift
        return exact

    def _refine(self, exponent: int, rest: Floats) -> bool:
        """Make the scale finer, so that it holds `rest`; or leave out the few columns that need it.

        Returns:
            Whether the scale is finer.
        """
        columns = np.flatnonzero(rest.any(axis=0))
        within = self.top is not None and self.top + exponent <= self._limit and exponent <= _FINEST
        if len(columns) <= _FEW or not within:
            self._left_out.append(columns)
            return False
        self._widen(exponent)
        finer = exponent - self._exponent
        np.left_shift(self._sums, finer, out=self._sums)
        self._offset <<= finer
        self._exponent = exponent
        return True

    def _widen(self, exponent: int) -> None:
        """Keep the sum in float64, too, from where it may exceed an int64 on such a scale."""
        assert self.top is not None  # noqa: S101 - the extent of the update is known
        if self._near is None and self._weight_bits + self.top + exponent > 62:  # noqa: PLR2004
            self._near = self._scratch(3, self._sums.shape)
            np.multiply(self._settle(), math.ldexp(1.0, -self._exponent), out=self._near)

    def _settle(self) -> Ints:
        """Take out of the sums what the rounders have added."""
        np.subtract(self._sums, _wrapped(self._offset), out=self._sums)
        self._offset = 0
        return self._sums

    def _unsure(self, means: Floats) -> NDArray[np.intp]:
        """Return where a quotient may be on the wrong side of a middle between float32 values."""
        low = self._scratch(2, means.shape).view(np.int64)
        np.subtract(means.view(np.int64), _TIE - _NEAR, out=low)
        np.bitwise_and(low, 2 * _TIE - 1, out=low)
        unsure = low <= 2 * _NEAR
        if self._exponent + self._weight_bits > 125:  # noqa: PLR2004 - of float32's normal numbers
            unsure |= np.abs(means) < torch.finfo(torch.float32).smallest_normal
        return np.flatnonzero(unsure)

    def _correct(self, means: Floats, sums: Ints, where: NDArray[np.intp], *, spare: int) -> None:
        """Put exact quotients in place, cut off after 53 bits and `spare` ones, the last sticky.

        A quotient q is off by a few units in its last place. So S - q * total is small, and
        arithmetic that wraps gives it exactly.
        """
        fractions, powers = np.frexp(np.ldexp(means[where], self._exponent))
        whole = np.ldexp(fractions, 53).astype(np.int64) << spare
        shift = 53 + spare - powers.astype(np.int64)
        coarser = np.maximum(-shift, 0)
        divisor = np.left_shift(np.int64(self._total), coarser)
        rest = np.left_shift(sums[where], np.maximum(shift, 0)) - whole * divisor
        # to divide by one number is fifty times as fast as by many
        more = np.right_shift(rest // self._total, coarser)
        whole = (whole + more) | (rest != more * divisor)
        means[where] = np.ldexp(whole.astype(np.float64), -shift - self._exponent)
        self._left_out.append(where[self._weight_bits + coarser > _DIVISOR_BITS])


def _add_weighted(near: Floats, rows: Floats, weights: Ints) -> None:
    into, added = torch.from_numpy(near), torch.from_numpy(rows)
    if len(rows) == 1:
        into.add_(added[0], alpha=float(weights[0]))
    else:
        into.addmv_(added.T, torch.from_numpy(weights).double())


def _total(weights: Ints) -> int:
    return int(weights[0] if len(weights) == 1 else weights.sum())


def _float64_bits(value: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return int(bits)


def _wrapped(number: int) -> np.int64:
    """Return an integer modulo 2**64, as an int64."""
    return np.uint64(number % 2**64).view(np.int64)


def scaled(value: float) -> int:
    """Return a finite value as a multiple of the smallest float64, 2**-1074."""
    numerator, denominator = value.as_integer_ratio()
    return numerator << (1075 - denominator.bit_length())


def quotient(total: int, divisor: int, dtype: torch.dtype) -> float:
    """Return a sum of `scaled` values divided by an integer, as `ExactSum.means` returns it."""
    denominator = divisor << 1074
    nearest = total / denominator  # Python rounds it correctly
    own, power = nearest.as_integer_ratio()
    missing = total * power - own * denominator
    odd = _float64_bits(nearest) & 1
    if dtype == torch.float64 or missing == 0 or odd:
        return nearest
    return math.nextafter(nearest, math.inf if missing > 0 else -math.inf)
