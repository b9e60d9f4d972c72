"""The options of `fairwind run start`, each with the entry of a run file that it replaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic import BaseModel

from common.command_line.duration import Duration
from common.duration import Unit
from common.errors import SettingError
from common.evaluate import FORMS as EVALUATORS
from common.hyperparameters import Hyperparameters
from common.personal import patterns_of
from common.robust import DEFAULT, RULES
from common.robust import FORMS as ROBUST
from common.schedule import FORMS
from common.server_optimizers import OPTIONS
from common.update_encodings import FORMS as ENCODINGS
from common.workload_options import options_of
from scheduler.ledger.run_spec import RunSpec, ServerOptimizerSpec
from scheduler.policies.policy import POLICIES
from tasks.cli.completion import complete_metric, complete_policy

Command = Callable[..., Any]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem] | list[str]]

TABLES: dict[str, type[BaseModel]] = {
    "hyperparameters": Hyperparameters,
    "server_optimizer": ServerOptimizerSpec,
}
"""What the tables of a run file hold, by name."""


class CountOrAll(click.ParamType[int | str]):
    """A number of clients, or the word all."""

    name = "integer|all"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number, or the word."""
        return "all" if value == "all" else click.INT.convert(value, param, ctx)


Words = tuple[str, ...]
"""What stands on the command line for an option that may be repeated."""


def _numbers(words: Words) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in (word.split("=") for word in words)}
    except ValueError:
        msg = f"The option {' '.join(words)} is not name=number, e.g. learning_rate=0.01."
        raise SettingError(msg) from None


def _workload_options(words: Words) -> dict[str, bool | int | float | str]:
    try:
        return options_of(words)
    except ValueError as error:
        msg = f"--option does not fit: {error}. Write it as width=64. No run was started."
        raise SettingError(msg) from None


class Entry(NamedTuple):
    """One option, and where its value stands in a run file: ``table.key``, or ``key`` alone."""

    flag: str
    path: str
    help: str = ""
    repeated: Callable[[Words], Mapping[str, object] | tuple[str, ...]] | None = None
    """Reads what stands for an option that may be repeated."""
    unit: Unit | None = None
    """Of a duration."""
    kind: click.ParamType[Any] | None = None
    """Of a value that is neither a number nor a word."""
    complete: Complete | None = None
    """What the shell offers."""

    @property
    def argument(self) -> str:
        """The name under which click passes the value."""
        return self.path.replace(".", "__")

    def option(self, command: Command) -> Command:
        """Add this option to a command."""
        if "/" in self.flag:
            return click.option(self.flag, self.argument, default=None, help=self.help)(command)
        table, _, key = self.path.rpartition(".")
        field = TABLES.get(table, RunSpec).model_fields[key]
        kinds = () if self.repeated else (field.annotation, *get_args(field.annotation))
        default = field.default if isinstance(field.default, int | float | str) else None
        if field.annotation is bool:
            off = f"--no-{self.flag.removeprefix('--')}"
            return click.option(
                f"{self.flag}/{off}", self.argument, default=default, help=self.help
            )(command)
        return click.option(
            self.flag,
            self.argument,
            type=Duration(self.unit, least=-math.inf)  # the run's specification says what fits
            if self.unit
            else self.kind or next((kind for kind in kinds if kind in (int, float)), str),
            default=default,
            show_default=default is not None,
            multiple=self.repeated is not None,
            help=self.help,
            shell_complete=self.complete,
        )(command)


ENTRIES = (
    Entry("--epochs", "hyperparameters.epochs", "Local epochs in a round."),
    Entry(
        "--steps", "hyperparameters.steps",
        "Local steps of the sites' optimizer in a round, in place of epochs.",
    ),
    Entry("--batch-size", "hyperparameters.batch_size", "Examples in a batch."),
    Entry(
        "--drop-last", "hyperparameters.drop_last",
        "Leave out of an epoch what does not fill a batch.",
    ),
    Entry(
        "--accumulate", "hyperparameters.accumulate",
        "Batches whose gradients make one step of the sites' optimizer.",
    ),
    Entry("--learning-rate", "hyperparameters.learning_rate", "Of the sites' optimizer."),
    Entry(
        "--schedule", "hyperparameters.schedule",
        f"Of the sites' learning rate over rounds: {FORMS}.",
    ),
    Entry(
        "--clip-norm", "hyperparameters.clip_norm",
        "Largest L2 norm of a gradient at the sites; a longer one is scaled to it. With --privacy "
        "record, of the gradient of each example, and 1 if left out.",
    ),
    Entry(
        "--privacy", "hyperparameters.privacy",
        "none, or record: sites train with differential privacy for each record.",
    ),
    Entry(
        "--noise-multiplier", "hyperparameters.noise_multiplier",
        "Noise of --privacy record, over the clip norm: more is more private.",
    ),
    Entry("--optimizer", "hyperparameters.optimizer", "Of the sites: sgd, adam or adamw."),
    Entry("--momentum", "hyperparameters.momentum", "Of the optimizer sgd."),
    Entry("--weight-decay", "hyperparameters.weight_decay", "Of the sites' optimizer."),
    Entry(
        "--precision", "hyperparameters.precision",
        "In what the sites train: fp32, or bf16 or fp16 with parameters in float32.",
    ),
    Entry(
        "--proximal-mu", "hyperparameters.proximal_mu",
        "FedProx: how strongly sites are drawn back to the model they pulled.",
    ),
    Entry(
        "--ditto", "hyperparameters.ditto",
        "Ditto's lambda: each site trains a model of its own beside the global one, drawn to it.",
    ),
    Entry(
        "--personal", "personal",
        "Names of tensors that stay at the sites, as 'head.*', or norm for all normalisation "
        "layers; repeatable.", repeated=patterns_of,
    ),
    Entry(
        "--algorithm", "algorithm",
        "fedavg: updates weigh by examples; fednova: by examples and steps; scaffold: alike, and "
        "control variates correct the drift of unlike sites.",
    ),
    Entry(
        "--option", "options",
        "name=value for the workload's functions that have a parameter options; repeatable.",
        repeated=_workload_options,
    ),
    Entry(
        "--init-from", "init_from",
        "Model to begin from: a safetensors file, or a version of an earlier run as RUN, RUN:best "
        "or RUN:ROUND.",
    ),
    Entry("--id", "id", "Name of the run; made from the workload if left out."),
    Entry("--rounds", "rounds", "End after this many rounds."),
    Entry("--hours", "hours", "End after so long on the grid clock: 48, 48h or 2d.", unit="h"),
    Entry("--grams", "grams", "End when this many gCO2eq are spent."),
    Entry("--stop-when", "stop_when", 'End when a version reaches it: "accuracy>=0.9".'),
    Entry("--patience-rounds", "patience_rounds", "End after so many rounds without a better one."),
    Entry("--cron", "cron", 'When rounds are due, e.g. "0 22 * * *" (UTC, grid clock).'),
    Entry("--policy", "policy", ", ".join(POLICIES), complete=complete_policy),
    Entry(
        "--policy-option", "policy_options", "One of its parameters; repeatable.", repeated=_numbers
    ),
    Entry(
        "--server-optimizer", "server_optimizer.name",
        f"{', '.join(OPTIONS)}, or a function of yours as module:function.",
    ),
    Entry(
        "--server-option", "server_optimizer.options", "e.g. learning_rate=0.01; repeatable.",
        repeated=_numbers,
    ),
    Entry(
        "--server-schedule", "server_optimizer.schedule",
        f"Of the server's learning rate over rounds: {FORMS}.",
    ),
    Entry(
        "--mode", "mode",
        "sync: rounds wait for their cohort; async: every client trains in its own time.",
    ),
    Entry("--buffer", "buffer", "Updates that make a version of an asynchronous run."),
    Entry(
        "--concurrency", "concurrency",
        "Clients of an asynchronous run that train at once; twice the buffer if left out.",
    ),
    Entry(
        "--max-staleness", "max_staleness",
        "By how many versions the base of an asynchronous update may be older than the newest.",
    ),
    Entry(
        "--bias", "bias",
        "How an asynchronous run corrects that fast clients answer more often: memory, capped or "
        "none; chosen and printed when the run starts if left out. In synchronous rounds "
        "realised: clients that took part seldom so far weigh more; or running: the policy's own "
        "weights count from round to round.",
    ),
    Entry(
        "--cohort", "cohort",
        "Updates a round aims at, or all; with more than five clients, five if left out.",
        kind=CountOrAll(),
    ),
    Entry("--over-selection", "over_selection", "Share of clients invited beyond the cohort."),
    Entry(
        "--late", "late",
        "What becomes of an update that comes after its round: waste, or count in the next one.",
    ),
    Entry("--quorum", "quorum", "Updates a round needs to start and to close."),
    Entry("--deadline", "deadline_s", "Of a round, wall clock: 600, 90min or 1h30.", unit="s"),
    Entry("--update", "encoding", f"How updates travel: {ENCODINGS}."),
    Entry(
        "--error-feedback/--no-error-feedback", "error_feedback",
        "Whether sites keep what encoding loses and add it to their next update; only topk does "
        "if left out.",
    ),
    Entry(
        "--robust", "robust",
        f"How updates are combined so that a few wrong ones cannot spoil the model: {ROBUST}, "
        f"with F the wrong updates that a round withstands and RULE one of {', '.join(RULES[1:])}; "
        f"F alone is {DEFAULT}:F.",
    ),
    Entry("--norm-bound", "norm_bound", "Largest L2 norm an update may have."),
    Entry("--weight-cap", "weight_cap", "Most examples that count as an update's weight."),
    Entry(
        "--evaluate", "evaluate",
        f"Who evaluates each version: {EVALUATORS}; the coordinator if it has test data, else the "
        "sites, if left out.",
    ),
    Entry("--metric", "metric", "Decides which version is the best: loss, or one of the workload.",
          complete=complete_metric),
    Entry(
        "--minimize/--maximize", "minimize",
        "Which way the metric is better; as the workload or its name says if left out.",
    ),
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
        entry.path: entry.repeated(value) if entry.repeated else value
        for entry in ENTRIES
        for value in [context.params[entry.argument]]
        if context.get_parameter_source(entry.argument) is ParameterSource.COMMANDLINE
    }
