"""The field: the contenders of the study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simulation.study import with_our_work
from simulation.study.contender import Contender

SMALL = 5
"""Updates that a round of ours aims at."""

_HALF = 0.5
"""Policies that spend a gram budget are given half of what `random` emits."""

_CANDIDATES = (
    Contender("random", "random"),
    Contender("all", "all", everyone=True),
    Contender("threshold", "threshold", published=True),
    Contender("greedy", "greedy", published=True),
    Contender("green_window", "green_window", published=True),
    Contender("lowcarb", "lowcarb", published=True),
    Contender("oort", "oort", published=True),
    Contender("carbon_oort", "carbon_oort", grams_share=_HALF, published=True),
    Contender("cafe", "cafe", grams_share=_HALF, published=True),
    Contender("alpha_fair", "alpha_fair", grams_share=_HALF, published=True),
    Contender(
        "alpha_fair, closing", "alpha_fair", options={"closing": 1.0}, grams_share=_HALF,
        published=True,
    ),
    Contender("fedzero", "fedzero", published=True),
    Contender("disco_rule", "disco_rule", published=True),
    Contender("fairwind", "fairwind", cohort=SMALL, over_selection=0.0),
    Contender(
        "fairwind, wait", "fairwind", options={"wait": 1.0}, cohort=SMALL, over_selection=0.0
    ),
    Contender("fairwind, async", "fairwind", cohort=SMALL, is_async=True),
    Contender(
        "oracle", "oracle", options={"horizon_h": 336.0}, cohort=SMALL, over_selection=0.0,
        forecast="perfect",
    ),
)  # fmt: skip

FIELD = {contender.name: contender for contender in _CANDIDATES}

MAIN = tuple(name for name, each in FIELD.items() if not each.is_async and name != "oracle")
SIDE = ("random", "all", "greedy", "lowcarb", "oort", "alpha_fair", "fairwind")
"""Those of the other scenarios and data sets: the strongest."""

CORE = (*SIDE, "alpha_fair, closing", "disco_rule", "fairwind, wait")
"""Those of the chapters in which also equals and ablations are compared."""

RIVALS = ("random", "alpha_fair", "lowcarb", "oort")
"""Those that are also given our local work and round size."""

TUNED = (*RIVALS, "fairwind")
"""Those whose learning rate is chosen among `RATES`."""

RATES = (1.0, 2.0)
"""In multiples of the scenario's learning rate: rounds of fewer updates may need another."""

SPLIT = ("even turns", "place", "time", "less work", "round size")
"""What is switched on in turn, from `random` to `fairwind`; `chain` has how.

The ratios of neighbours multiply to the ratio of the ends.
"""

_OFF = {"fairness": 1.0, "full_share": 1.0, "horizon_h": 1.0}
_OFF_UNTIL = {"place": "fairness", "time": "horizon_h", "less work": "full_share"}


def contenders(names: Iterable[str]) -> tuple[Contender, ...]:
    """Return the contenders of these names."""
    return tuple(FIELD[name] for name in names)


def believers(names: Iterable[str], modes: Iterable[str]) -> tuple[Contender, ...]:
    """Return these contenders under every one of these forecasts."""
    modes = tuple(modes)
    return tuple(FIELD[name].with_forecast(mode) for name in names for mode in modes)


def parameters() -> tuple[Contender, ...]:
    """Return `fairwind` with each of its parameters at other values, one at a time."""
    ours, values = FIELD["fairwind"], {
        "fairness": (0.95,), "full_share": (0.25,), "parts": (0,), "relative": (0,),
    }  # fmt: skip
    return tuple(
        ours.with_options(**{word: value}) for word, some in values.items() for value in some
    )


def equals() -> tuple[Contender, ...]:
    """Return rivals with our local work and round size, and `fairwind`, at every learning rate."""
    given = [
        replace(
            FIELD[name], policy=f"{with_our_work.__name__}:{name}", cohort=SMALL, published=False
        )
        for name in RIVALS
    ]
    return tuple(
        replace(each, name=at_rate(each.name, rate), rate_factor=rate, group="equal")
        for each in (*given, FIELD["fairwind"])
        for rate in RATES
    )


def at_rate(name: str, rate: float) -> str:
    """Return the name of a policy with our work and round size, at a learning rate.

    >>> at_rate("oort", 2.0), at_rate("fairwind", 1.0)
    ('oort, our work, rate x 2', 'fairwind, rate x 1')
    """
    own = name if name == "fairwind" else f"{name}, our work"
    return f"{own}, rate x {rate:g}"


def ablations() -> tuple[Contender, ...]:
    """Return `fairwind` with rounds of the usual size, its rules switched on one after the other.

    Off: each client takes part equally often (`fairness` 1), only the running hour is known
    (`horizon_h` 1), all clients do whole work (`full_share` 1).
    """
    ours, options, made = FIELD["fairwind"], dict(_OFF), []
    for step in SPLIT[:-1]:
        options.pop(_OFF_UNTIL.get(step, ""), None)
        made.append(
            replace(
                ours, name=f"fairwind: {step}", options=dict(options), cohort=None,
                group="ablation",
            )
        )  # fmt: skip
    return tuple(made)


def chain() -> tuple[str, ...]:
    """Return the contenders of the split, from `random` on, one for each of `SPLIT` after it."""
    return ("random", *(each.name for each in ablations()), "fairwind")
