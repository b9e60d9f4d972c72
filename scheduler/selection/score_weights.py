"""The weights of a score: how much each part counts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from common.errors import SettingError

WEIGHTS: Mapping[str, float] = {
    "grams_per_update": 0.5,
    "joule_per_sample": 0.0,
    "latency": 0.1,
    "latency_spread": 0.0,
    "low_carbon_share": 0.0,
    "energy_price": 0.0,
    "idle_share": 0.05,
    "reliability": 0.05,
    "participation": 0.15,
    "utility": 0.15,
}
"""How much each part counts by default. Carbon first; participation and
utility keep a green-only choice from biasing the model. Idle share and reliability stand for energy
that grams per update do not show: hardware that waits, and work that was lost. The rest is shown
but counts nothing: joules per sample and low-carbon share are in the grams already and would count
twice, the spread of latency matters little where a round waits for its quorum only, and a price
is no emission."""


def score_weights(chosen: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of every part: the defaults, but for those that were chosen.

    Raises:
        SettingError: If a part is unknown, a weight is negative, or none is above zero.
    """
    for name, weight in chosen.items():
        if name not in WEIGHTS:
            near = difflib.get_close_matches(name, WEIGHTS, n=1, cutoff=0.4)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(WEIGHTS)}."
            msg = f"A score has no part {name!r}, so FAIRWIND_SCORE_WEIGHTS is not used. {hint}"
            raise SettingError(msg)
        if not weight >= 0:
            msg = (
                f"FAIRWIND_SCORE_WEIGHTS gives {name} the weight {weight:g}, which would turn good "
                "into bad, so it is not used. Set 0 to leave the part out."
            )
            raise SettingError(msg)
    weights = {**WEIGHTS, **chosen}
    if not sum(weights.values()) > 0:
        msg = (
            "FAIRWIND_SCORE_WEIGHTS leaves every part of the score at 0, so all clients would "
            "score the same. Give one of them a weight."
        )
        raise SettingError(msg)
    return weights
