"""The catalogue: the chapters of the study, and of the quick one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from simulation.scenario.loading import load_scenario
from simulation.scenario.scenario import Scenario
from simulation.study.contender import Chapter, Contender
from simulation.study.federations import (
    DIRTY,
    FLAT,
    HELD_OUT,
    MACHINES,
    MIXED,
    PAPER,
    REAL,
    REPLAYED,
    SPATIAL,
    TEMPORAL,
    TRACED,
    TREATED,
    TYPICAL,
    clients,
    federation,
    starts,
)
from simulation.study.field import (
    CORE,
    FIELD,
    MAIN,
    SIDE,
    ablations,
    believers,
    contenders,
    equals,
    parameters,
)

BUDGETS = (0.057, 0.077, 0.097, 0.20, 0.82)
"""Shares of the grams that all clients emit in all rounds, as the alpha-fair paper has them."""

_SEEDS = 5
_SIDE_SEEDS = 3
_QUICK_SEEDS = 3
_PAPER_SEEDS = 2

_QUICK = (
    "random", "all", "greedy", "lowcarb", "oort", "alpha_fair", "disco_rule", "fairwind",
    "fairwind, async",
)  # fmt: skip
_QUICK_ZONES = ("FR", "SE-SE3", "GB", "ES", "DE", "PL", "US-CAL-CISO", "US-TEX-ERCO", "AU-NSW")

_SHORT: dict[str, Any] = {"rounds": 60, "hours": 168}

_SKEW = {"kind": "correlated", "strength": 0.9}

_UNSTEADY: dict[str, Any] = {"failure_rate": 0.1, "on_h": 12, "off_h": 12, "speed_jitter": 0.4}

_IDLE_W = 0.02
"""Of a machine that is reserved and waits: about a tenth of the mean power that `random` needs for
each client. A real machine draws more, but it also works for more than a minute an hour."""

_INVITED = 6
"""Where clients come and go, a round of ours invites one more, and needs the same quorum of 3."""


def full_study() -> tuple[Chapter, ...]:
    """Return the chapters that read the traces and data sets of FAIRWIND_DATA.

    The year that is held out comes last. Nothing may be chosen by it: whoever does has no such
    year any more.
    """
    return (_real(), _mixed(), *_sides(), _together(), *_data_sets(), _paper(), _held_out())


def quick_study() -> tuple[Chapter, ...]:
    """Return chapters that need nothing but what ships: modelled grids, and digits."""
    sites = clients(_QUICK_ZONES)
    known = contenders(_QUICK)
    return (
        _chapter(
            "Nine grids, clean and dirty, steady and swinging",
            federation("mixed", TYPICAL, sites, **_SHORT),
            (*known, *contenders(["fairwind, wait"]), *ablations()), seeds=_QUICK_SEEDS,
        ),
        _chapter(
            "Control: all grids alike and flat, machines too", _flat(**_SHORT), known,
            seeds=_QUICK_SEEDS,
        ),
        _chapter(
            "Clean and dirty grids hold different labels",
            federation("skew", TYPICAL, sites, split=_SKEW, **_SHORT), known, seeds=_QUICK_SEEDS,
        ),
    )  # fmt: skip


def _chapter(
    title: str, base: Scenario, known: Iterable[Contender], *, seeds: int = _SEEDS, **more: Any
) -> Chapter:
    """Return a chapter that is called as its federation is."""
    return Chapter(base.name, title, base, tuple(known), starts(base, seeds), **more)


def _side(title: str, base: Scenario, known: Iterable[Contender]) -> Chapter:
    """Return a chapter of fewer dates."""
    return _chapter(title, base, known, seeds=_SIDE_SEEDS)


def _real() -> Chapter:
    return _chapter(
        "Thirteen grids of 2021 with the forecasts a provider issued then",
        federation("real", REPLAYED, clients(REAL)),
        (
            *contenders(MAIN), *equals(), *ablations(),
            *believers(("fairwind", "fairwind, wait"), ("perfect", "persistence", "own")),
        ),
    )  # fmt: skip


def _mixed() -> Chapter:
    return _chapter(
        "29 grids of 2022, far apart in the mean and over the day",
        federation("mixed", TRACED, clients(MIXED)),
        (*contenders(CORE), *equals(), *ablations(), *parameters()),
    )


def _held_out() -> Chapter:
    return _chapter(
        "Thirteen grids of 2020: nothing was chosen on it",
        federation("held_out", HELD_OUT, clients(REAL)),
        (*contenders((*CORE, "oracle")), *equals(), *ablations()), is_held_out=True,
    )  # fmt: skip


def _flat(**run: Any) -> Scenario:
    return federation("flat", FLAT, clients(MIXED, machines=MACHINES[1:2]), **run)


def _sides() -> list[Chapter]:
    side = contenders(SIDE)
    mixed = clients(MIXED)
    return [
        _side(
            "Grids far apart in the mean, each nearly flat",
            federation("spatial", TRACED, clients(SPATIAL)), side,
        ),
        _side(
            "Grids of like means that swing widely",
            federation("temporal", TRACED, clients(TEMPORAL)),
            (*side, *contenders(["fairwind, wait"]), *ablations()),
        ),
        _side("Dirty grids alone", federation("dirty", TRACED, clients(DIRTY)), side),
        _side("Control: all grids alike and flat, machines too", _flat(), side),
        _side(
            "Clean and dirty grids hold different labels",
            federation("skew", TRACED, mixed, split=_SKEW), side,
        ),
        _side(
            "Clients come and go, fail and straggle",
            federation("dropouts", TRACED, clients(MIXED, **_UNSTEADY), over_selection=0.3),
            (replace(each, cohort=_INVITED) if each.cohort else each for each in side),
        ),
        _side(
            "The grids of `mixed`, with machines that are reserved while they wait",
            federation("idle", TRACED, clients(MIXED, idle_w=_IDLE_W)),
            contenders(["random", "all", "alpha_fair", "fairwind", "fairwind, wait"]),
        ),
    ]  # fmt: skip


def _together() -> Chapter:
    """Return the chapter that ships as a scenario; the target is what even weights learn.

    It gets a last hour: a policy that has overspent its grams would wait for ever.
    """
    ours, everyone = FIELD["fairwind"], FIELD["all"]
    return _side(
        "Solar sites train at noon alone, and hold half of the labels",
        load_scenario("together").altered(run={"hours": 336}),
        (
            *contenders(["random", "alpha_fair", "fairwind"]), replace(everyone, bias="realised"),
            *(
                replace(ours, name=f"fairwind, bias {bias}", bias=bias)
                for bias in ("none", "running")
            ),
        ),
    )  # fmt: skip


def _data_sets() -> list[Chapter]:
    """Return chapters of other data sets, on the grids with recorded forecasts.

    Learning rates and rounds are such that short local work reaches the target, too; all policies
    have the same. docs/study/losses.md has what came out with less.
    """
    side = contenders(SIDE)
    pneumonia = federation(
        "pneumonia", REPLAYED, clients(REAL, 20), workload="pneumoniamnist", cohort=5, quorum=3,
        metric="roc_auc", rounds=60, hours=168,
        hyperparameters={"epochs": 1, "learning_rate": 0.009},
    )  # fmt: skip
    fashion = federation(
        "fashion", REPLAYED, clients(REAL), workload="fashion_mnist",
        split={"kind": "resampled", "alpha": 0.5, "size": 100},
        rounds=120, hours=336, hyperparameters={"epochs": 3, "learning_rate": 0.1},
    )  # fmt: skip
    brca = federation(
        "brca", REPLAYED, clients(TREATED, 6, machines=MACHINES[1:2]), workload="tcga_brca",
        split={"kind": "natural"}, cohort=3, quorum=2, metric="c_index", rounds=60, hours=168,
        hyperparameters={"epochs": 2, "learning_rate": 0.04},
    )  # fmt: skip
    return [
        _side("PneumoniaMNIST: 20 clients, chest X-rays", pneumonia, side),
        _side("Fashion-MNIST: 100 clients with 100 pictures each", fashion, side),
        _side("TCGA-BRCA: six regions, survival with breast cancer", brca, side),
    ]


def _paper() -> Chapter:
    base = federation(
        "paper", TRACED, clients(PAPER, 7, machines=MACHINES[1:2]),
        split={"kind": "resampled", "alpha": 0.5, "size": 640}, cohort=None, quorum=1,
        rounds=100, hours=200,
        hyperparameters={"epochs": 1, "batch_size": 128, "learning_rate": 0.3},
    )  # fmt: skip
    budgeted = [
        replace(FIELD[name], name=f"{name} {share:.1%}", grams_share=share)
        for share in BUDGETS
        for name in ("all", "alpha_fair", "fairwind")
    ]
    return _chapter(
        "A published setting: seven grids, five budgets", base, (FIELD["all"], *budgeted),
        seeds=_PAPER_SEEDS, reference="all",
    )  # fmt: skip
