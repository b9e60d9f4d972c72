"""The accountant: what epsilon private trainings add up to, by Opacus' PRV accountant.

Gopi, Lee and Wutschitz, "Numerical Composition of Differential Privacy", NeurIPS 2021,
https://arxiv.org/abs/2106.02848. The result is an upper bound.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec

from common.errors import WorkloadError
from common.extras import how_to_install
from models.privacy.spending import Spending

_NUMERICAL_UP_TO = 50.0
"""Epsilon by RDP above which that is the result: it is a bound too, and the grid of the numerical
accountant would need gigabytes to tell one that protects nobody from another."""

_ERROR, _RELATIVE_ERROR = 0.01, 0.005
"""How far above the true epsilon the result may be: the greater of both, the second times RDP's."""


def opacus_is_missing() -> str | None:
    """Return that Opacus is not installed, and what installs it; `None` if it is."""
    if find_spec("opacus") is not None:
        return None
    return f"record privacy needs Opacus, which is not installed; {how_to_install('privacy')}"


def epsilon_of(spendings: Iterable[Spending], delta: float) -> float:
    """Return the epsilon of all spendings together, in whatever order they come.

    Neighbours differ by one record that is added or removed.

    Args:
        spendings: Of one site's records.
        delta: Above 0, below 1.

    Raises:
        WorkloadError: If Opacus is not installed.
    """
    steps: Counter[tuple[float, float]] = Counter()
    for each in spendings:
        steps[each.noise_multiplier, each.sample_rate] += each.steps
    history = tuple((noise, rate, count) for (noise, rate), count in sorted(steps.items()))
    return _epsilon(history, delta) if history else 0.0


@lru_cache(maxsize=4096)
def _epsilon(history: tuple[tuple[float, float, int], ...], delta: float) -> float:
    if (fault := opacus_is_missing()) is not None:
        msg = f"No epsilon can be worked out, as {fault}."
        raise WorkloadError(msg)
    from opacus.accountants import PRVAccountant, RDPAccountant  # noqa: PLC0415 - an extra

    coarse, fine = RDPAccountant(), PRVAccountant()
    coarse.history, fine.history = list(history), list(history)
    # Opacus and numpy warn of grids and logarithms at the ends of their ranges.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bound = float(coarse.get_epsilon(delta))
        if bound > _NUMERICAL_UP_TO:
            return bound
        error = max(_ERROR, _RELATIVE_ERROR * bound)
        return min(bound, float(fine.get_epsilon(delta, eps_error=error)))
