"""The mean of a round's updates by a robust rule, and how much of its weight each update kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common.errors import UpdateError
from common.robust import Robust
from models.robust.centered_clipping import centered_clipping
from models.robust.geometric_median import geometric_median
from models.robust.gram import CHUNK, Gram, gram, largest_of
from models.robust.krum import krum, multi_krum
from models.robust.nearest_neighbours import mixed_trimmed_mean, neighbourhoods
from models.robust.rows import Rows, StackedRows, Values
from models.robust.trimmed_mean import median_trim, trimmed_mean
from models.update import State

FAR = 10.0
"""Mixing rejects an update whose norm is above so many times the median norm."""

_WEIGHTS = 1 << 24
"""Weights are so many parts of 1, so that the weighted mean is exact."""

_SAMPLED = 256
"""Of how many coordinates of a piece it is counted whose values a trimmed mean keeps."""


@dataclass(frozen=True)
class Kept:
    """How a rule used the updates of a round; all in the order of the rows.

    Attributes:
        shares: The weight of each, as a multiple of an equal one: 1 as in the mean, 0 left out.
            Rules that trim each coordinate count on a sample of these.
        norms: The L2 norm of each.
        rejected: The rows that did not even take part, as their norm is far above the others'.
        capped_from: The L2 norm of the mean, if that was above the bound and scaled down to it.
    """

    shares: tuple[float, ...]
    norms: tuple[float, ...]
    rejected: tuple[int, ...] = ()
    capped_from: float | None = None


class RobustMean(NamedTuple):
    """The mean of each tensor, in the signature's order, and how it came about."""

    means: State
    kept: Kept


def robust_mean(updates: Rows, robust: Robust, *, norm_bound: float) -> RobustMean:
    """Return the mean of updates by a rule; the same bits on any machine.

    Memory holds the means, and one piece of all updates. All updates count alike: how many
    examples a site has is its own word, and a liar would claim many.

    Args:
        updates: At least as many as the rule needs.
        robust: The rule, not ``mean``.
        norm_bound: The largest norm of an update that was admitted, and of the mean.

    Raises:
        UpdateError: If there are too few updates, or one is not what was admitted.
    """
    if updates.count < robust.least_updates:
        msg = (
            f"{robust.rule} needs {robust.least_updates} updates, and there are {updates.count}, "
            f"so no version was made. Wait for more, or assume fewer liars."
        )
        raise UpdateError(msg)
    products = gram(updates, norm_bound=norm_bound)
    norms = np.sqrt(np.diag(products)).tolist()
    if robust.rule in _LINEAR:
        return _linear(updates, _LINEAR[robust.rule](products, robust.f), norms, norm_bound)
    if robust.rule == "nnm-trimmed":
        return _mixed(updates, robust.f, products, norms, norm_bound)
    f = robust.f if robust.rule == "trimmed" else median_trim(updates.count)
    return _trimmed(updates, f, norms, norm_bound)


_LINEAR: dict[str, Callable[[Gram, int], list[float]]] = {
    "krum": krum,
    "multi-krum": multi_krum,
    "geometric-median": lambda products, _: geometric_median(products),
    "centered-clipping": lambda products, _: centered_clipping(products),
}
"""Rules whose mean is a weighted sum of whole updates."""


def _linear(
    updates: Rows, weights: Sequence[float], norms: Sequence[float], norm_bound: float
) -> RobustMean:
    whole = [round(weight * _WEIGHTS) for weight in weights]
    # Weights that sum to 1 do so after rounding, too; those of clipping need not.
    divisor = sum(whole) if math.isclose(math.fsum(weights), 1.0) else _WEIGHTS
    means = dict(updates.mean(whole, divisor=divisor, norm_bound=norm_bound))
    shares = tuple(weight / divisor * updates.count for weight in whole)
    return RobustMean(means, Kept(shares, tuple(norms)))


def _mixed(
    updates: Rows, f: int, products: Gram, norms: Sequence[float], norm_bound: float
) -> RobustMean:
    far = FAR * statistics.median(norms)
    rows = [row for row, norm in enumerate(norms) if norm <= far]
    # The rejected may all be honest, so as many of the others as before may lie.
    f = min(f, (len(rows) - 1) // 2)
    near = neighbourhoods(products[np.ix_(rows, rows)], f)
    means = _by_piece(
        updates, rows,
        lambda values, name: mixed_trimmed_mean(values, near, f, name=name, norm_bound=norm_bound),
    )  # fmt: skip
    taken = dict(zip(rows, near.sum(axis=0).tolist(), strict=True))
    scale = updates.count / (len(rows) * (len(rows) - f))
    shares = tuple(taken.get(row, 0.0) * scale for row in range(updates.count))
    rejected = tuple(row for row in range(updates.count) if row not in taken)
    capped = _cap(means, norm_bound)
    return RobustMean(means, Kept(shares, tuple(norms), rejected, capped))


def _trimmed(updates: Rows, f: int, norms: Sequence[float], norm_bound: float) -> RobustMean:
    counts = np.zeros(updates.count, dtype=np.int64)
    means = _by_piece(
        updates, range(updates.count), partial(_trimmed_piece, f=f, counts=counts, bound=norm_bound)
    )
    shares = tuple((counts * (updates.count / int(counts.sum()))).tolist())
    capped = _cap(means, norm_bound)
    return RobustMean(means, Kept(shares, tuple(norms), (), capped))


def _trimmed_piece(
    values: Values, name: str, *, f: int, counts: NDArray[np.int64], bound: float
) -> NDArray[np.float64]:
    """Return the trimmed means of a piece, and add to each row's number of values that count."""
    largest_of(values, name, bound)
    sample = values[:, :_SAMPLED].copy()
    means = np.empty(values.shape[1])
    for start in range(0, values.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        means[chunk], least, greatest = trimmed_mean(values[:, chunk], f)
        if start == 0:
            within = (sample >= least[:_SAMPLED]) & (sample <= greatest[:_SAMPLED])
            counts += within.sum(axis=1)
    return means


def _by_piece(
    updates: Rows, rows: Sequence[int], rule: Callable[[Values, str], NDArray[np.float64]]
) -> State:
    means = {}
    for name, spec in updates.signature.items():
        dtype = torch.float64 if spec.dtype == torch.float64 else torch.float32
        mean = torch.empty(spec.shape, dtype=dtype)
        flat = mean.view(-1)
        for start, count in spec.pieces():
            piece = rule(updates.read(name, (start, count), rows), name) + 0.0  # never -0.0
            flat[start : start + count] = torch.from_numpy(piece)
        means[name] = mean
    return means


def _cap(means: dict[str, Tensor], norm_bound: float) -> float | None:
    """Scale a mean down to the bound, in place, and return its norm if that was above."""
    own = StackedRows({name: mean.unsqueeze(0) for name, mean in means.items()})
    norm = math.sqrt(gram(own, norm_bound=math.inf)[0, 0])
    if norm <= norm_bound:
        return None
    for mean in means.values():
        mean.copy_(mean.double() * (norm_bound / norm))
    return norm
