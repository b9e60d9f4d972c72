"""The catalogue: the chapters of the study, and of the quick one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulation.scenario.scenario import Scenario
from simulation.study.contender import Chapter
from simulation.study.federations import (
    DIRTY,
    FLAT,
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
)
from simulation.study.field import (
    ALL,
    FIELD,
    FORESEEING,
    MAIN,
    SIDE,
    believers,
    contenders,
    tuned,
)

_SEEDS = (1, 2, 3, 4, 5)
_QUICK_SEEDS = (1, 2, 3)

_QUICK = (
    "random", "all", "greedy", "lowcarb", "oort", "alpha_fair", "fairwind",
    "fairwind, async", "oracle",
)  # fmt: skip
_QUICK_ZONES = ("FR", "SE-SE3", "GB", "ES", "DE", "PL", "US-CAL-CISO", "US-TEX-ERCO", "AU-NSW")

BUDGETS = (0.057, 0.077, 0.097, 0.20, 0.82)
"""Shares of the grams that all clients emit in all rounds, as the alpha-fair paper has them."""

_SHORT: dict[str, Any] = {"rounds": 60, "hours": 168}
_BOUNDED = ("spatial", "temporal")
"""Scenarios beside the first two in which the oracle shows how much there is to gain."""

_SKEW = {"kind": "correlated", "strength": 0.9}


def full_study() -> tuple[Chapter, ...]:
    """Return the chapters that read the traces and data sets of FAIRWIND_DATA."""
    return (_real(), _mixed(), *_sides(), *_data_sets(), _paper())


def quick_study() -> tuple[Chapter, ...]:
    """Return chapters that need nothing but what ships: modelled grids, and digits."""
    sites = clients(_QUICK_ZONES)
    bases = (
        (
            "Nine grids, clean and dirty, steady and swinging",
            federation("mixed", TYPICAL, sites, **_SHORT),
        ),
        ("Control: all grids alike and flat, machines too", _flat(**_SHORT)),
        (
            "Clean and dirty grids hold different labels",
            federation("skew", TYPICAL, sites, split=_SKEW, **_SHORT),
        ),
    )
    return tuple(
        Chapter(base.name, title, base, contenders(_QUICK), _QUICK_SEEDS) for title, base in bases
    )


def _real() -> Chapter:
    return Chapter(
        "real", "Thirteen grids of 2021 with the forecasts a provider issued then",
        federation("real", REPLAYED, clients(REAL)),
        (
            *contenders(MAIN),
            *believers(FORESEEING, ("perfect",)),
            *believers(("fairwind", "lowcarb", "green_window"), ("ar1", "persistence")),
            *believers(("fairwind",), ("own",)),
        ),
        _SEEDS,
    )  # fmt: skip


def _mixed() -> Chapter:
    return Chapter(
        "mixed", "29 grids of 2022, far apart in the mean and over the day",
        federation("mixed", TRACED, clients(MIXED)),
        (*contenders(MAIN), *believers(("fairwind",), ("perfect", "persistence")), *tuned()),
        _SEEDS,
    )  # fmt: skip


def _flat(**run: Any) -> Scenario:
    return federation("flat", FLAT, clients(MIXED, machines=MACHINES[1:2]), **run)


def _sides() -> list[Chapter]:
    unsteady: dict[str, Any] = {
        "failure_rate": 0.1, "on_h": 12, "off_h": 12, "speed_jitter": 0.4,
    }  # fmt: skip
    bases = {
        "Grids far apart in the mean, each nearly flat": federation(
            "spatial", TRACED, clients(SPATIAL)
        ),
        "Grids of like means that swing widely": federation("temporal", TRACED, clients(TEMPORAL)),
        "Dirty grids alone": federation("dirty", TRACED, clients(DIRTY)),
        "Control: all grids alike and flat, machines too": _flat(),
        "Clean and dirty grids hold different labels": federation(
            "skew", TRACED, clients(MIXED), split=_SKEW
        ),
        "Clients come and go, fail and straggle": federation(
            "dropouts", TRACED, clients(MIXED, **unsteady), over_selection=0.3
        ),
    }
    return [
        Chapter(
            base.name,
            title,
            base,
            contenders((*SIDE, "oracle") if base.name in _BOUNDED else SIDE),
            _SEEDS,
        )
        for title, base in bases.items()
    ]


def _data_sets() -> list[Chapter]:
    """Return chapters of other data sets, on the grids with recorded forecasts."""
    pneumonia = federation(
        "pneumonia", REPLAYED, clients(REAL, 20), workload="pneumoniamnist", cohort=5, quorum=3,
        metric="roc_auc", rounds=60, hours=168,
        hyperparameters={"epochs": 1, "learning_rate": 0.003},
    )  # fmt: skip
    fashion = federation(
        "fashion", REPLAYED, clients(REAL), workload="fashion_mnist",
        split={"kind": "resampled", "alpha": 0.5, "size": 100},
        rounds=60, hours=168, hyperparameters={"epochs": 3, "learning_rate": 0.1},
    )  # fmt: skip
    brca = federation(
        "brca", REPLAYED, clients(TREATED, 6, machines=MACHINES[1:2]), workload="tcga_brca",
        split={"kind": "natural"}, cohort=3, quorum=2, metric="c_index", rounds=60, hours=168,
        hyperparameters={"epochs": 2, "learning_rate": 0.02},
    )  # fmt: skip
    titles = {
        "pneumonia": "PneumoniaMNIST: 20 clients, chest X-rays",
        "fashion": "Fashion-MNIST: 100 clients with 100 pictures each",
        "brca": "TCGA-BRCA: six regions, survival with breast cancer",
    }
    return [
        Chapter(base.name, titles[base.name], base, contenders(SIDE), _SEEDS)
        for base in (pneumonia, fashion, brca)
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
    return Chapter(
        "paper", "A published setting: seven grids, five budgets", base, (ALL, *budgeted), _SEEDS,
        reference="all",
    )  # fmt: skip
