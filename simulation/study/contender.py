"""A contender: a policy as it takes part in the study, and the chapters it takes part in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from simulation.scenario.scenario import Scenario

Group = Literal["policy", "equal", "ablation", "forecast", "parameter"]
"""What a contender is compared for: itself, as published; itself with our local work and round
size; a rule that is switched on or off; its forecast; or one of its parameters."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy, and where its settings differ from the others of its chapter.

    Attributes:
        name: Of its line in the tables.
        options: The policy's parameters, where they are not its defaults.
        cohort: Updates that a round aims at, where the scenario asks for more. Its run has as many
            more rounds, so that it aims at as many updates.
        over_selection: Instead of the scenario's.
        grams_share: Its gram budget, as a share of what the chapter's reference emits in all with
            the same seed; `None` for no budget.
        forecast: The forecast it reads, instead of the scenario's.
        everyone: Whether rounds have no cohort: they aim at all available clients.
        is_async: Whether each client trains in its own time, and as many updates as others have in
            a cohort make a version.
        rate_factor: Its local learning rate, in multiples of the scenario's.
        bias: How its rounds correct for unequal participation; `None` for its policy's default.
        published: Whether others have published it.
        group: What it is compared for.
    """

    name: str
    policy: str
    options: Mapping[str, float] = field(default_factory=dict)
    cohort: int | None = None
    over_selection: float | None = None
    grams_share: float | None = None
    forecast: str | None = None
    everyone: bool = False
    is_async: bool = False
    rate_factor: float = 1.0
    bias: str | None = None
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
        starts: The start of each seed's runs, the same for all contenders: the seeds are 1, 2, 3
            and so on.
        reference: Name of the contender whose emissions gram budgets are shares of.
        is_held_out: Whether nothing was chosen by it: no policy, no option, no learning rate.
    """

    name: str
    title: str
    base: Scenario
    contenders: tuple[Contender, ...]
    starts: tuple[datetime, ...]
    reference: str = "random"
    is_held_out: bool = False

    @property
    def seeds(self) -> range:
        """Of everything that is drawn; each has a start of its own."""
        return range(1, len(self.starts) + 1)

    def scenario(self, contender: Contender, seed: int, grams: float | None = None) -> Scenario:
        """Return what is simulated for a contender and a seed.

        Args:
            contender: The policy.
            seed: Of everything that is drawn.
            grams: Its gram budget, gCO2eq.
        """
        run: dict[str, Any] = {
            "policy": contender.policy, "policy_options": dict(contender.options),
            "bias": contender.bias, "grams": grams,
        }  # fmt: skip
        run |= self._sized(contender)
        if contender.rate_factor != 1:
            usual = self.base.run.hyperparameters
            rate = usual.learning_rate * contender.rate_factor
            run["hyperparameters"] = usual.model_dump() | {"learning_rate": rate}
        changes: dict[str, object] = {
            "run": run, "seed": seed, "start": self.starts[self.seeds.index(seed)],
        }  # fmt: skip
        if contender.forecast not in (None, self.base.forecast.mode):
            changes["forecast"] = {"mode": contender.forecast, "path": None}
        return self.base.altered(**changes)

    def _sized(self, contender: Contender) -> dict[str, Any]:
        """Return cohort, quorum, over-selection, buffer and rounds, where they are not the base's.

        Rounds of fewer updates are as many more, in the same hours, so that the updates stay.
        """
        base = self.base.run
        changes: dict[str, Any] = {}
        if contender.over_selection is not None:
            changes["over_selection"] = contender.over_selection
        if contender.everyone or base.cohort is None:
            return changes | {"cohort": None, "over_selection": 0.0}
        updates = base.cohort
        if contender.cohort is not None and contender.cohort < base.cohort and base.rounds:
            updates = contender.cohort
            changes |= {
                "cohort": updates,
                "quorum": math.ceil(base.quorum * updates / base.cohort),
                "rounds": round(base.rounds * base.cohort / updates),
            }
        if contender.is_async:
            changes |= {
                "mode": "async", "bias": "none", "buffer": updates, "cohort": None,
                "over_selection": 0.0, "cron": None,
            }  # fmt: skip
        return changes

    def find(self, name: str) -> Contender:
        """Return the contender of that name, compared for itself."""
        return next(c for c in self.contenders if (c.name, c.group) == (name, "policy"))

    def of(self, *groups: Group) -> list[Contender]:
        """Return the contenders of these groups."""
        return [c for c in self.contenders if c.group in groups]
