"""The field: the contenders of the study."""

from __future__ import annotations

from collections.abc import Iterable

from simulation.study.contender import Contender

ALL = Contender("all", "all", everyone=True)
"""The unconstrained run: all clients in every round. Its accuracy sets the targets."""

_HALF = 0.5
"""Policies that spend a gram budget are given half of what `random` emits."""

_CANDIDATES = (
    Contender("random", "random"),
    Contender("random +30 %", "random", over_selection=0.3),
    ALL,
    Contender("threshold", "threshold", published=True),
    Contender("greedy", "greedy", published=True),
    Contender("green_window", "green_window", published=True),
    Contender("lowcarb", "lowcarb", published=True),
    Contender("oort", "oort", published=True),
    Contender("carbon_oort", "carbon_oort", grams_share=_HALF, published=True),
    Contender("cafe", "cafe", grams_share=_HALF, published=True),
    Contender("alpha_fair", "alpha_fair", grams_share=_HALF, published=True),
    Contender("fedzero", "fedzero", published=True),
    Contender("score", "score"),
    Contender("fairwind", "fairwind"),
    Contender("fairwind, async", "fairwind", is_async=True),
    Contender("oracle", "oracle", options={"horizon_h": 336}, forecast="perfect"),
)

ADDED = (
    Contender("disco_rule", "disco_rule", published=True),
    Contender(
        "alpha_fair, closing", "alpha_fair", options={"closing": 1.0}, grams_share=_HALF,
        published=True,
    ),
)  # fmt: skip
"""Those of the dated study alone: the study's kept results have none of their runs."""

FIELD = {contender.name: contender for contender in _CANDIDATES}

MAIN = tuple(name for name, each in FIELD.items() if not each.is_async)
SIDE = (
    "random", "all", "greedy", "green_window", "lowcarb", "oort", "alpha_fair", "fairwind",
)  # fmt: skip
"""Those of the other scenarios and data sets: the strongest. `oracle` takes a minute a run."""

FORESEEING = ("fairwind", "green_window", "lowcarb", "alpha_fair", "fedzero")
"""Those that read forecasts."""


def contenders(names: Iterable[str]) -> tuple[Contender, ...]:
    """Return the contenders of these names."""
    return tuple(FIELD[name] for name in names)


def believers(names: Iterable[str], modes: Iterable[str]) -> tuple[Contender, ...]:
    """Return these contenders under every one of these forecasts."""
    modes = tuple(modes)
    return tuple(FIELD[name].with_forecast(mode) for name in names for mode in modes)


def tuned() -> tuple[Contender, ...]:
    """Return `fairwind` with each of its parameters at other values, one at a time."""
    ours, values = FIELD["fairwind"], {
        "fairness": (0.6, 0.95), "full_share": (1.0, 0.5, 0.1), "closing": (0, 2),
        "horizon_h": (12, 24, 96),
    }  # fmt: skip
    return tuple(
        ours.with_options(**{word: value}) for word, some in values.items() for value in some
    )
