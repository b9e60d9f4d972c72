"""Updates as elements of the ring of integers modulo 2^32, in which masks are added.

A vector has the update's values, the weight, further figures, and words that are zero at each
site: a sum in which these are not zero has masks left in it. No sum of the most sites that a
cohort may have wraps around, so the sum in the ring is the exact sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from common.errors import SecureAggregationError
from common.message import Message

Words = NDArray[np.uint32]
"""Elements of the ring, in one dimension."""

MAX_SITES = 128
"""A cohort has no more."""

CHECK_WORDS = 4
"""Zeros at the end: masks that remain pass with a probability of 2^-128."""

WORD_NBYTES = 4
_MOST = 2**31 - 1
"""The highest absolute value of a sum."""

_PIECE = 1 << 18

FigureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]


class Ring(Message):
    """How an update becomes a vector; the same for all sites of a run.

    Attributes:
        num_values: Of an update.
        clip: Values are held to so much on either side, as public as this model.
        max_weight: The highest weight that a site may have; weights are integers from 1.
        max_sites: No cohort has more. Fewer leave finer steps.
        figures: Other sums, such as of metrics times weight, and the highest absolute value of
            each at one site.
    """

    num_values: int = Field(ge=1, le=2**32)
    clip: float = Field(gt=0, le=1e30)
    max_weight: int = Field(default=1, ge=1, le=_MOST // MAX_SITES)
    max_sites: int = Field(ge=2, le=MAX_SITES)
    figures: dict[FigureName, Annotated[float, Field(gt=0, le=1e30)]] = Field(
        default_factory=dict, max_length=64
    )

    @property
    def bound(self) -> int:
        """The highest absolute value of a word at one site: the sum of all sites fits."""
        return _MOST // self.max_sites

    @property
    def num_words(self) -> int:
        """Of a vector."""
        return self.num_values + 1 + len(self.figures) + CHECK_WORDS

    @property
    def step(self) -> float:
        """The smallest difference between two values of an update with the highest weight."""
        return self.clip / self.bound

    def quantise(
        self, values: NDArray[np.float32], *, weight: int = 1, figures: Mapping[str, float]
    ) -> Words:
        """Return the vector of an update: values times weight, clipped and rounded to even.

        Args:
            values: `(num_values,)`, finite.
            weight: What the update counts, from 1 to `max_weight`.
            figures: By their names; each of them is clipped, too.

        Raises:
            SecureAggregationError: If shape, weight or names are not the run's, or a value is not
                finite.
        """
        named = figures.keys() == self.figures.keys()
        fits = values.shape == (self.num_values,) and named and 1 <= weight <= self.max_weight
        if not fits:
            msg = (
                "An update has other values, weight or figures than the plan of its run, so it was "
                "not sent. Train with the workload and the settings of this run."
            )
            raise SecureAggregationError(msg)
        words = np.zeros(self.num_words, dtype="<u4")
        signed = words.view("<i4")
        factor = weight * self.bound / (self.clip * self.max_weight)
        highest = weight * self.bound // self.max_weight
        for start in range(0, self.num_values, _PIECE):
            piece = values[start : start + _PIECE].astype(np.float64)
            _check_finite(piece)
            rounded = np.rint(piece * factor)
            signed[start : start + len(piece)] = np.clip(rounded, -highest, highest)
        signed[self.num_values] = weight
        ordered = np.array([figures[name] for name in sorted(self.figures)], dtype=np.float64)
        bounds = np.array([self.figures[name] for name in sorted(self.figures)], dtype=np.float64)
        _check_finite(ordered)
        scaled = np.rint(ordered / bounds * self.bound)
        signed[self.num_values + 1 : -CHECK_WORDS] = np.clip(scaled, -self.bound, self.bound)
        return words

    def check_sum(self, words: Words, num_sites: int) -> None:
        """Check that a sum holds no mask, and nothing beyond what so many sites can add up to.

        Raises:
            SecureAggregationError: If it does; it is not a sum of updates then.
        """
        signed = words.view("<i4")
        highest = num_sites * self.bound
        wide = any(
            int(piece.max()) > highest or int(piece.min()) < -highest
            for piece in np.array_split(signed, max(1, len(signed) // _PIECE))
        )
        weight = int(signed[self.num_values])
        counted = num_sites <= weight <= num_sites * self.max_weight
        if wide or not counted or signed[-CHECK_WORDS:].any():
            msg = (
                "The sum of a cohort is no sum of updates, so it was thrown away and no version "
                "was made: a site masked with another manifest or model, or sent other values "
                "than the plan allows. Let the sites get ready again."
            )
            raise SecureAggregationError(msg)

    def dequantise(self, words: Words) -> Mean:
        """Return what a sum of vectors says; it must have been checked."""
        signed = words.view("<i4")
        weight = int(signed[self.num_values])
        factor = self.clip * self.max_weight / (self.bound * weight)
        mean = np.empty(self.num_values, dtype=np.float32)
        for start in range(0, self.num_values, _PIECE):
            piece = signed[start : min(start + _PIECE, self.num_values)]
            mean[start : start + len(piece)] = piece * factor
        sums = signed[self.num_values + 1 : -CHECK_WORDS]
        figures = {
            name: int(total) * self.figures[name] / self.bound
            for name, total in zip(sorted(self.figures), sums, strict=True)
        }
        return Mean(mean, weight, figures)


@dataclass(frozen=True)
class Mean:
    """What a cohort's sum says.

    Attributes:
        values: The weighted mean of the updates, `(num_values,)`.
        weight: The sum of the weights.
        figures: The sum of each figure over the sites.
    """

    values: NDArray[np.float32]
    weight: int
    figures: dict[str, float]


def _check_finite(values: NDArray[np.float64]) -> None:
    if not np.isfinite(values).all():
        msg = (
            "An update holds values that are not finite, so it was not sent. Lower the learning "
            "rate, or bound the gradient's norm."
        )
        raise SecureAggregationError(msg)
