"""The attack table's runs: each rule against each attack, on the same data and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from common.robust import ABOUT_MEAN, RULES
from simulation.outcome import Outcome
from simulation.scenario.attacks import ATTACKS, Attack
from simulation.scenario.scenario import Scenario
from simulation.study.federations import FLAT

CLIENTS = 20
NO_ATTACK = "none"

COLUMNS = (NO_ATTACK, *ATTACKS)
"""Of a table: how it goes if those that could lie are honest, and under each attack."""

_LAST = 5
"""Over how many of a run's last versions the mean is taken."""

_QUORUM = CLIENTS // 2
"""All are invited; fewer are enough where the norm bound rejects what liars send."""

_PACE: dict[str, Any] = {"power_w": 100.0, "examples_per_s": 10.0}


@dataclass(frozen=True, slots=True)
class Setting:
    """One table: what is learned by whom, and how many lie.

    Attributes:
        workload: What is learned.
        metric: By which versions are judged.
        chance: What a guess gets.
        alpha: Of the Dirichlet split: the smaller, the more sites differ.
        liars: How many of the clients lie; the rules are set for so many.
        rounds: How many.
        hyperparameters: Of local training.
        seeds: Of split, first model and training.
        rules: Those that are compared.
    """

    workload: str
    metric: str
    chance: float
    alpha: float
    liars: int
    rounds: int
    hyperparameters: dict[str, Any]
    seeds: Sequence[int]
    rules: Sequence[str] = RULES

    @property
    def title(self) -> str:
        """What the table is called."""
        return f"{self.workload}, {self.liars} of {CLIENTS} lie, Dirichlet {self.alpha:g}"


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        setting: Of which table.
        rule: By which updates are combined.
        attack: What the liars do; `None` if they are honest.
        seed: Of everything that is drawn.
    """

    setting: Setting
    rule: str
    attack: Attack | None
    seed: int


_DIGITS: dict[str, Any] = {
    "workload": "digits", "metric": "accuracy", "chance": 0.1, "rounds": 50,
    "hyperparameters": {"epochs": 2, "batch_size": 32, "learning_rate": 0.3},
}  # fmt: skip
_PNEUMONIA: dict[str, Any] = {
    "workload": "pneumoniamnist", "metric": "roc_auc", "chance": 0.5, "rounds": 25, "seeds": (1,),
    "hyperparameters": {"epochs": 1, "batch_size": 64, "learning_rate": 0.03},
    "rules": ("mean", "nnm-trimmed", "multi-krum", "centered-clipping"),
}  # fmt: skip

DIGITS = (
    Setting(alpha=0.5, liars=4, seeds=(1, 2), **_DIGITS),
    *(Setting(alpha=a, liars=f, seeds=(1,), **_DIGITS) for a, f in ((0.5, 2), (0.1, 4), (0.1, 2))),
)
PNEUMONIA = tuple(Setting(alpha=alpha, liars=4, **_PNEUMONIA) for alpha in (0.5, 0.1))


def cases(settings: Sequence[Setting]) -> Iterator[Case]:
    """Yield every run of some tables."""
    for setting in settings:
        for rule in setting.rules:
            for attack in (None, *ATTACKS):
                for seed in setting.seeds:
                    yield Case(setting, rule, attack, seed)


def scenario_of(case: Case) -> Scenario:
    """Return the scenario of a run: all clients in every round, on one flat grid."""
    setting = case.setting
    honest = {"count": CLIENTS - setting.liars, "zone": "FR"} | _PACE
    liars = {"count": setting.liars, "zone": "FR", "attack": case.attack} | _PACE
    return Scenario.model_validate(
        {
            "name": "attacks", "seed": case.seed, "gate": "off", "clients": [honest, liars],
            "workload": {
                "name": setting.workload, "split": {"kind": "dirichlet", "alpha": setting.alpha}
            },
            "run": {
                "policy": "all", "rounds": setting.rounds, "quorum": _QUORUM,
                "metric": setting.metric, "hyperparameters": setting.hyperparameters,
                "robust": f"{case.rule}:{setting.liars}" if case.rule in ABOUT_MEAN else case.rule,
            },
        }
        | FLAT
    )  # fmt: skip


def score(case: Case, outcome: Outcome) -> float:
    """Return what a run's last versions are worth in the mean, at least as much as a guess is.

    A version whose metric is not a number counts as a guess, as do those a run did not make.
    """
    last = [
        closed.metrics.get(case.setting.metric, case.setting.chance)
        for closed in outcome.rounds[-_LAST:]
    ]
    if len(outcome.rounds) < case.setting.rounds:
        return case.setting.chance
    return mean(last)
