"""A contender: a policy as it takes part in the study, and the chapters it takes part in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from simulation.scenario.scenario import Scenario

Group = Literal["policy", "forecast", "parameter", "ablation"]
"""What a contender is compared for: itself, its forecast, one of its parameters, or a rule that is
switched on or off."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy, and where its settings differ from the others of its chapter.

    Attributes:
        name: Of its line in the tables.
        options: The policy's parameters, where they are not its defaults.
        over_selection: Instead of the scenario's.
        grams_share: Its gram budget, as a share of what the chapter's reference emits in all with
            the same seed; `None` for no budget.
        forecast: The forecast it reads, instead of the scenario's.
        everyone: Whether rounds have no cohort: they aim at all available clients.
        is_async: Whether each client trains in its own time, and as many updates as others have in
            a cohort make a version.
        round_share: Size of its cohort and quorum, as a share of the scenario's.
        rate_factor: Its local learning rate, in multiples of the scenario's.
        published: Whether others have published it.
        group: What it is compared for.
    """

    name: str
    policy: str
    options: Mapping[str, float] = field(default_factory=dict)
    over_selection: float | None = None
    grams_share: float | None = None
    forecast: str | None = None
    everyone: bool = False
    is_async: bool = False
    round_share: float = 1.0
    rate_factor: float = 1.0
    published: bool = False
    group: Group = "policy"

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Its identity within its chapter."""
        return self.group, self.name, self.forecast

    def with_forecast(self, mode: str) -> Contender:
        """Return it with another forecast, to be compared for that alone."""
        return replace(self, forecast=mode, group="forecast")

    def with_options(self, **options: float) -> Contender:
        """Return it with other parameters, to be compared for these alone."""
        name = ", ".join(f"{word} {value:g}" for word, value in options.items())
        return replace(self, name=name, options=options, group="parameter")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A federation in which contenders are compared.

    Attributes:
        title: What it is about, in a few words.
        base: The federation, under any policy and seed.
        reference: Name of the contender whose emissions gram budgets are shares of.
        about: What else a reader should know.
        starts: The start of each seed's runs, in the order of `seeds`; empty for `base`'s.
        shares: Further targets, as shares of the unconstrained run's final metric.
    """

    name: str
    title: str
    base: Scenario
    contenders: tuple[Contender, ...]
    seeds: tuple[int, ...]
    reference: str = "random"
    about: str = ""
    starts: tuple[datetime, ...] = ()
    shares: tuple[float, ...] = ()

    def scenario(self, contender: Contender, seed: int, grams: float | None = None) -> Scenario:
        """Return what is simulated for a contender and a seed.

        Args:
            contender: The policy.
            seed: Of everything that is drawn.
            grams: Its gram budget, gCO2eq.
        """
        run: dict[str, Any] = {
            "policy": contender.policy, "policy_options": dict(contender.options), "grams": grams,
        }  # fmt: skip
        if contender.everyone:
            run |= {"cohort": None, "over_selection": 0.0}
        if contender.is_async:
            run |= {
                "mode": "async", "bias": "none", "buffer": self.base.run.cohort, "cohort": None,
                "over_selection": 0.0, "cron": None,
            }  # fmt: skip
        run |= self._resized(contender)
        if contender.over_selection is not None:
            run["over_selection"] = contender.over_selection
        changes: dict[str, object] = {"run": run, "seed": seed}
        if contender.forecast not in (None, self.base.forecast.mode):
            changes["forecast"] = {"mode": contender.forecast, "path": None}
        if self.starts:
            changes["start"] = self.starts[self.seeds.index(seed)]
        return self.base.altered(**changes)

    def _resized(self, contender: Contender) -> dict[str, Any]:
        """Return the run's parts that a contender's `round_share` and `rate_factor` change."""
        base, changes = self.base.run, dict[str, Any]()
        if contender.round_share != 1 and base.cohort is not None:
            changes["cohort"] = max(1, round(base.cohort * contender.round_share))
            changes["quorum"] = math.ceil(base.quorum * contender.round_share)
        if contender.rate_factor != 1:
            usual = base.hyperparameters
            rate = usual.learning_rate * contender.rate_factor
            changes["hyperparameters"] = usual.model_dump() | {"learning_rate": rate}
        return changes

    def find(self, name: str) -> Contender:
        """Return the contender of that name, compared for itself."""
        return next(c for c in self.contenders if (c.name, c.group) == (name, "policy"))

    def of(self, group: Group) -> list[Contender]:
        """Return the contenders that are compared for the same."""
        return [c for c in self.contenders if c.group == group]
