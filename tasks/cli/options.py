"""The options of `fairwind run start`: how sites train, and how the run goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from scheduler.policies import POLICIES

Command = Callable[..., Any]


def _option(*names: str, help: str = "", **more: Any) -> Callable[[Command], Command]:  # noqa: A002
    return click.option(*names, help=help, show_default=more.get("default") is not None, **more)


_TRAINING = (
    _option("--epochs", default=1, help="Local epochs a round."),
    _option("--batch-size", default=32),
    _option("--learning-rate", default=0.1),
    _option("--optimizer", default="sgd", help="sgd, adam or adamw."),
    _option("--momentum", default=0.0),
    _option("--weight-decay", default=0.0),
)

_RUN = (
    _option("--id", "run_id", help="Name of the run; made from the workload if left out."),
    _option("--rounds", type=int, help="End after this many rounds."),
    _option("--hours", type=float, help="End after this many hours on the grid clock."),
    _option("--grams", type=float, help="End when this many gCO2eq are spent."),
    _option("--cron", help='When rounds are due, e.g. "0 22 * * *" (UTC, grid clock).'),
    _option("--policy", default="fairwind", help=", ".join(POLICIES)),
    _option("--policy-option", multiple=True, help="One of its parameters; repeatable."),
    _option("--server-optimizer", default="fedavg", help="fedavg or fedadam."),
    _option("--server-option", multiple=True, help="e.g. learning_rate=0.01; repeatable."),
    _option("--cohort", type=int, help="Updates a round aims at; all open clients if left out."),
    _option("--over-selection", default=0.0, help="Share invited beyond the cohort."),
    _option("--quorum", default=2, help="Updates a round needs."),
    _option("--deadline", "deadline_s", default=600.0, help="Of a round, wall seconds."),
    _option("--norm-bound", default=1000.0, help="Largest L2 norm an update may have."),
    _option("--weight-cap", default=1_000_000, help="Examples that count at most."),
    _option("--metric", default="accuracy", help="Decides the best version."),
    _option("--seed", default=0),
)


def training_options(command: Command) -> Command:
    """Add the hyperparameters."""
    return _add(_TRAINING, command)


def run_options(command: Command) -> Command:
    """Add everything else a run is told."""
    return _add(_RUN, command)


def _add(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
