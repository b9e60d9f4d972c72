"""The options of `fairwind run start`, each with the entry of a run file that it replaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic import BaseModel

from common.command_line.duration import Duration
from common.duration import Unit
from common.errors import SettingError
from common.messages import Hyperparameters
from scheduler.ledger.run_spec import RunSpec, ServerOptimizerSpec
from scheduler.policies.policy import POLICIES
from tasks.cli.completion import complete_policy

Command = Callable[..., Any]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_TABLES: dict[str, type[BaseModel]] = {
    "hyperparameters": Hyperparameters,
    "server_optimizer": ServerOptimizerSpec,
}


class Entry(NamedTuple):
    """One option, and where its value stands in a run file: ``table.key``, or ``key`` alone."""

    flag: str
    path: str
    help: str = ""
    many: bool = False
    unit: Unit | None = None
    """Of a duration."""
    complete: Complete | None = None
    """What the shell offers."""

    @property
    def argument(self) -> str:
        """The name under which click passes the value."""
        return self.path.replace(".", "__")

    def option(self, command: Command) -> Command:
        """Add this option to a command."""
        table, _, key = self.path.rpartition(".")
        field = _TABLES.get(table, RunSpec).model_fields[key]
        kinds = () if self.many else (field.annotation, *get_args(field.annotation))
        default = field.default if isinstance(field.default, int | float | str) else None
        return click.option(
            self.flag,
            self.argument,
            type=Duration(self.unit, least=-math.inf)  # the run's specification says what fits
            if self.unit
            else next((kind for kind in kinds if kind in (int, float)), str),
            default=default,
            show_default=default is not None,
            multiple=self.many,
            help=self.help,
            shell_complete=self.complete,
        )(command)


ENTRIES = (
    Entry("--epochs", "hyperparameters.epochs", "Local epochs in a round."),
    Entry("--batch-size", "hyperparameters.batch_size", "Examples in a batch."),
    Entry("--learning-rate", "hyperparameters.learning_rate", "Of the sites' optimizer."),
    Entry("--optimizer", "hyperparameters.optimizer", "Of the sites: sgd, adam or adamw."),
    Entry("--momentum", "hyperparameters.momentum", "Of the optimizer sgd."),
    Entry("--weight-decay", "hyperparameters.weight_decay", "Of the sites' optimizer."),
    Entry("--id", "id", "Name of the run; made from the workload if left out."),
    Entry("--rounds", "rounds", "End after this many rounds."),
    Entry("--hours", "hours", "End after so long on the grid clock: 48, 48h or 2d.", unit="h"),
    Entry("--grams", "grams", "End when this many gCO2eq are spent."),
    Entry("--cron", "cron", 'When rounds are due, e.g. "0 22 * * *" (UTC, grid clock).'),
    Entry("--policy", "policy", ", ".join(POLICIES), complete=complete_policy),
    Entry("--policy-option", "policy_options", "One of its parameters; repeatable.", many=True),
    Entry("--server-optimizer", "server_optimizer.name", "fedavg or fedadam."),
    Entry(
        "--server-option", "server_optimizer.options", "e.g. learning_rate=0.01; repeatable.",
        many=True,
    ),
    Entry("--cohort", "cohort", "Updates a round aims at; all open clients if left out."),
    Entry("--over-selection", "over_selection", "Share of clients invited beyond the cohort."),
    Entry("--quorum", "quorum", "Updates a round needs to start and to close."),
    Entry("--deadline", "deadline_s", "Of a round, wall clock: 600, 90min or 1h30.", unit="s"),
    Entry("--norm-bound", "norm_bound", "Largest L2 norm an update may have."),
    Entry("--weight-cap", "weight_cap", "Most examples that count as an update's weight."),
    Entry("--metric", "metric", "Decides which version is the best; loss is minimised."),
    Entry("--seed", "seed", "Of the first version and of every draw."),
)  # fmt: skip

FLAGS = {entry.path: entry.flag for entry in ENTRIES}
"""The option that replaces each entry of a run file."""

ARGUMENT = {"workload": "WORKLOAD"}
"""The entry that stands on the command line without an option."""


def run_options(command: Command) -> Command:
    """Add every option that describes a run."""
    for entry in reversed(ENTRIES):
        command = entry.option(command)
    return command


def given(context: click.Context) -> dict[str, Any]:
    """Return the options that stand on the command line, by their path in a run file."""
    return {
        entry.path: _pairs(value) if entry.many else value
        for entry in ENTRIES
        for value in [context.params[entry.argument]]
        if context.get_parameter_source(entry.argument) is ParameterSource.COMMANDLINE
    }


def _pairs(words: tuple[str, ...]) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in (word.split("=") for word in words)}
    except ValueError:
        msg = f"The option {' '.join(words)} is not name=number, e.g. learning_rate=0.01."
        raise SettingError(msg) from None
