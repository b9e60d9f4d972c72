"""A run: what a user asks for when a model is to be trained, fixed at its start."""

from __future__ import annotations

import re
from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from croniter import CroniterError, croniter
from pydantic import Field, ValidationInfo, field_validator, model_validator

from common.algorithms import Algorithm
from common.evaluate import Evaluate
from common.goal import Goal, parse_goal
from common.hyperparameters import Hyperparameters
from common.message import Message
from common.messages import NAME_PATTERN
from common.metric_names import named_as_error
from common.personal import PersonalPatterns
from common.robust import MEAN, Robust, RobustRule, parse_robust, robust_fault
from common.schedule import Schedule, learning_rate_factor
from common.server_optimizers import OPTIONS, is_own, options_fault
from common.update_encodings import UpdateEncoding, is_sparse
from common.workload_names import name_fault, run_name
from common.workload_options import WorkloadOptions
from scheduler.ledger.refused import Feature, refusal

_YEAR_S = 366 * 86_400.0
_CENTURY_H = 100 * 366 * 24.0
"""Bounds on spans of time, well before a sum of dates leaves the calendar."""

_MOST = 10**9
"""Bound on numbers of rounds, clients and examples, within what a 64-bit database holds."""

_MOST_STALE = 1000
"""Bound on staleness: an update is looked for in the manifests of so many rounds."""

_CRON_FIELDS = 5

_BY_UTILITY = {"oort", "carbon_oort", "fedzero", "cafe"}
"""Policies that choose clients by their training loss."""


class ServerOptimizerSpec(Message):
    """The rule that turns the mean update of a round into the next version.

    Attributes:
        name: One that ships, or the import path of a user's function.
        options: Its own.
        schedule: How its learning rate changes from round to round.
    """

    name: str = "fedavg"
    options: dict[str, float] = Field(default_factory=dict)
    schedule: Schedule = "constant"

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        fault = options_fault(name, {})
        if fault is not None:
            raise ValueError(fault)
        return name

    @field_validator("options")
    @classmethod
    def _are_its_own(cls, options: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        fault = options_fault(info.data["name"], options) if "name" in info.data else None
        if fault is not None:
            raise ValueError(fault)
        return options

    @model_validator(mode="after")
    def _schedules_a_rate(self) -> ServerOptimizerSpec:
        if (
            self.schedule != "constant"
            and is_own(self.name)
            and "learning_rate" not in self.options
        ):
            msg = (
                f"the schedule {self.schedule} changes learning_rate, which {self.name} is not "
                "given: add --server-option learning_rate=..."
            )
            raise ValueError(msg)
        return self

    def options_at(self, round_number: int) -> dict[str, float]:
        """Return its options, with the learning rate that the schedule gives it in a round."""
        options = {**OPTIONS.get(self.name, {}), **self.options}
        if "learning_rate" in options:
            options["learning_rate"] *= learning_rate_factor(self.schedule, round_number)
        return options


class RunSpec(Message):
    """Everything a run was asked to do; recorded whole in the ledger when it starts.

    Attributes:
        algorithm: How the updates of a round are weighed: by examples, or by steps as well.
        options: What the workload's functions are handed beside their arguments.
        init_from: The blob of the model that the run begins from; `None` for a new model.
        mode: ``sync``: a round invites a cohort and waits for it. ``async``: every client trains
            in its own time, and a full buffer of updates makes a version.
        buffer: Updates that make a version of an asynchronous run.
        concurrency: Assignments of an asynchronous run that are out at once; `None` for twice the
            buffer.
        max_staleness: By how many versions the base of an update of an asynchronous run may be
            older than the newest.
        bias: How an asynchronous run corrects that fast clients, and those on clean power, give
            more updates. ``memory``: a version is the mean of the latest model of each client.
            ``capped``: an update weighs its examples by one over its client's share, within limits.
            ``none``: it does not, beyond what its policy weighs. `None`: chosen when it starts;
            see `scheduler.ledger.bias_choice`. A synchronous run has ``running``: what its policy
            weighs is divided by the mean total of a day's rounds, not by that of its own round;
            see `scheduler.rounds.running_divisor`. With ``realised`` clients whose updates counted
            seldom so far weigh more, in place of what its policy weighs, and the sum is divided
            likewise; see `scheduler.selection.realised_weights`.
        late: Whether an update of a synchronous round that comes after its end counts in the next
            one (``count``), for less, or not at all (``waste``).
        cohort: Updates a round aims at; `None`, also written ``all``, aims at every client whose
            gate is open. `scheduler.ledger.round_size` chooses where a user leaves it out.
        over_selection: Share of clients invited beyond `cohort`, so stragglers can be left behind.
        quorum: Updates a round needs at least, to start and to close; in an asynchronous run, those
            that make a version of a buffer which nobody is left to fill.
        deadline_s: Wall seconds after which a round closes with its quorum.
        encoding: How updates travel: as they were trained, or in fewer bits.
        error_feedback: Whether sites keep what encoding loses and add it to their next update;
            `None` leaves it to the encoding.
        personal: Patterns of the tensors that stay at the sites; see `models.personal`.
        robust: By which rule updates are combined, and how many of them may be wrong:
            ``mean``, or one of `models.robust`, by which all updates count alike. The quorum is at
            least what the rule needs.
        norm_bound: Largest L2 norm an update may have; also of what a robust rule makes of them.
        weight_cap: Largest number of examples that counts as an update's weight; 1 with record
            privacy, so that all updates weigh alike.
        rounds, hours, grams: Budgets: rounds, grid hours, gCO2eq. The first one spent ends the run.
        stop_when: A goal, such as ``accuracy>=0.9``; the first version to reach it ends the run.
        patience_rounds: How many rounds without a better version end the run.
        cron: Five cron fields on the grid clock (UTC); each occurrence makes one round due, and
            those that pass while it waits lapse.
            `None` makes a round due as soon as the one before has ended.
        evaluate: Who evaluates each version; `None` for the coordinator if it has test data, else
            the sites. With ``both``, the coordinator's figures decide which version is the best.
        metric: What decides which version is the best. A leading ``-`` is no part of its name: it
            sets `minimize`.
        minimize: Whether less of the metric is better; `None` leaves it to the workload, and where
            that does not say, to the metric's name.
    """

    id: str = Field(pattern=NAME_PATTERN)
    workload: str
    options: WorkloadOptions = Field(default_factory=dict)
    init_from: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    hyperparameters: Hyperparameters = Hyperparameters()
    algorithm: Algorithm = "fedavg"
    policy: str = "fairwind"
    policy_options: dict[str, float] = Field(default_factory=dict)
    server_optimizer: ServerOptimizerSpec = ServerOptimizerSpec()
    mode: Literal["sync", "async"] = "sync"
    buffer: int | None = Field(default=None, ge=1, le=_MOST)
    concurrency: int | None = Field(default=None, ge=1, le=_MOST)
    max_staleness: int = Field(default=20, ge=0, le=_MOST_STALE)
    bias: Literal["none", "memory", "capped", "running", "realised"] | None = None
    late: Literal["waste", "count"] = "waste"
    cohort: int | None = Field(default=None, ge=1, le=_MOST)
    over_selection: float = Field(default=0.0, ge=0, le=2)
    quorum: int = Field(default=2, ge=1, le=_MOST)
    deadline_s: float = Field(default=600.0, gt=0, le=_YEAR_S)
    encoding: UpdateEncoding = "float32"
    error_feedback: bool | None = None
    personal: PersonalPatterns = ()
    robust: RobustRule = MEAN
    norm_bound: float = Field(default=1000.0, gt=0)
    weight_cap: int = Field(default=1_000_000, ge=1, le=_MOST)
    rounds: int | None = Field(default=None, ge=1, le=_MOST)
    hours: float | None = Field(default=None, gt=0, le=_CENTURY_H)
    grams: float | None = Field(default=None, gt=0)
    stop_when: str | None = None
    patience_rounds: int | None = Field(default=None, ge=1, le=_MOST)
    cron: str | None = None
    evaluate: Evaluate | None = None
    metric: str = "accuracy"
    minimize: bool | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="before")
    @classmethod
    def _minimizes(cls, given: Any) -> Any:
        metric = given.get("metric") if isinstance(given, dict) else None
        if not isinstance(metric, str) or not metric.startswith("-"):
            return given
        if given.get("minimize") is False:
            msg = f"{metric!r} asks for the least, and minimize is false: give one of them"
            raise ValueError(msg)
        return {**given, "metric": metric.lstrip("-"), "minimize": True}

    @model_validator(mode="before")
    @classmethod
    def _has_quorum_of_rule(cls, given: Any) -> Any:
        rule = given.get("robust") if isinstance(given, dict) else None
        if not isinstance(rule, str) or robust_fault(rule) or given.get("quorum") is not None:
            return given
        least = max(cls.model_fields["quorum"].default, parse_robust(rule).least_updates)
        return {**given, "quorum": least}

    @model_validator(mode="before")
    @classmethod
    def _weighs_alike(cls, given: Any) -> Any:
        asked = given.get("hyperparameters") if isinstance(given, dict) else None
        privacy = asked.get("privacy") if isinstance(asked, dict) else getattr(asked, "privacy", "")
        return {"weight_cap": 1, **given} if privacy == "record" else given

    @field_validator("cohort", mode="before")
    @classmethod
    def _may_be_all(cls, value: Any) -> Any:
        return None if value == "all" else value

    @field_validator("workload")
    @classmethod
    def _names_a_workload(cls, value: str) -> str:
        fault = name_fault(value)
        if fault is not None:
            raise ValueError(fault)
        return run_name(value)

    @field_validator("hyperparameters")
    @classmethod
    def _asks_for_whole_epochs(cls, value: Hyperparameters) -> Hyperparameters:
        if value.last_epoch != 1.0:
            msg = (
                f"last_epoch is {value.last_epoch:g}, and a run asks for whole epochs: leave it "
                "out, and let the policy shorten the work of single clients"
            )
            raise ValueError(msg)
        return value

    @field_validator("stop_when")
    @classmethod
    def _is_goal(cls, value: str | None) -> str | None:
        if value is not None:
            parse_goal(value)
        return value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and not _comes_due(value):
            msg = f'{value!r} never comes due: give five cron fields, e.g. "0 22 * * *"'
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _withstands(self) -> RunSpec:
        least = self.rule.least_updates
        if self.cohort is not None and self.cohort < least:
            msg = (
                f"robust {self.robust} needs {least} updates in each round, and the cohort is "
                f"{self.cohort}: raise --cohort to {least}, or assume fewer liars"
            )
            raise ValueError(msg)
        if self.quorum < least:
            msg = (
                f"robust {self.robust} needs {least} updates in each round, and the quorum is "
                f"{self.quorum}: raise --quorum to {least}, leave it out, or assume fewer liars"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _ends(self) -> RunSpec:
        if self.rounds is None and self.hours is None and self.grams is None:
            msg = "a run without rounds, hours or grams would never end: give at least one"
            raise ValueError(msg)
        if self.cohort is not None and self.quorum > self.cohort:
            msg = (
                f"the quorum of {self.quorum} is larger than the cohort of {self.cohort}, "
                "so no round could close: lower the quorum"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> RunSpec:
        fault = refusal(self.features)
        if fault is not None:
            raise ValueError(fault)
        return self

    @property
    def divides_by_day(self) -> bool:
        """Whether rounds with weights are divided by the mean total of a day's rounds."""
        return self.bias in ("running", "realised")

    @property
    def features(self) -> frozenset[Feature]:
        """What the run asks for, as `scheduler.ledger.refused` names it."""
        asked = self.hyperparameters
        decay = asked.weight_decay if self.algorithm == "scaffold" else 0.0
        also: dict[Feature, bool] = {
            "no buffer": self.buffer is None,
            "buffer": self.buffer is not None,
            "concurrency": self.concurrency is not None,
            "concurrency below buffer": (self.concurrency or _MOST) < (self.buffer or 0),
            "bias": self.bias in ("memory", "capped"),
            "bias running": self.bias == "running",
            "bias realised": self.bias == "realised",
            "bias memory": self.bias == "memory",
            "cohort": self.cohort is not None,
            "over_selection": self.over_selection > 0,
            "cron": self.cron is not None,
            "late": self.late == "count",
            "fednova": self.algorithm == "fednova",
            "scaffold": self.algorithm == "scaffold",
            "adam": asked.optimizer == "adam",
            "adamw": asked.optimizer == "adamw",
            "accumulate": asked.accumulate > 1,
            "drop-last": asked.drop_last,
            "clip-norm": asked.clip_norm is not None,
            "proximal-mu": asked.proximal_mu > 0,
            "proximal overshoot": asked.learning_rate * (asked.proximal_mu + decay) >= 1,
            "bf16": asked.precision == "bf16",
            "fp16": asked.precision == "fp16",
            "float32": self.encoding == "float32",
            "error feedback": self.feeds_errors_back,
            "topk": is_sparse(self.encoding),
            "personal": bool(self.personal),
            "ditto": asked.ditto is not None,
            "evaluate coordinator": self.evaluate == "coordinator",
            "evaluate both": self.evaluate == "both",
            "robust": self.is_robust,
            "evaluate sites": self.evaluate == "sites",
            "record": asked.is_private,
            "not private": not asked.is_private,
            "noise multiplier": asked.noise_multiplier != Hyperparameters().noise_multiplier,
            "utility policy": self.policy in _BY_UTILITY,
            "unequal weights": self.weight_cap != 1,
        }
        return frozenset({self.mode, *(name for name, holds in also.items() if holds)})

    @property
    def rule(self) -> Robust:
        """By which rule updates are combined."""
        return parse_robust(self.robust)

    @property
    def is_robust(self) -> bool:
        """Whether that is another rule than the mean."""
        return self.rule.rule != MEAN

    @property
    def is_async(self) -> bool:
        """Whether every client trains in its own time."""
        return self.mode == "async"

    @property
    def carries(self) -> bool:
        """Whether an assignment may outlive its round, and its update count in a later one."""
        return self.is_async or self.late == "count"

    @property
    def most_stale(self) -> int:
        """By how many versions the base of an update that counts may be older than the newest."""
        return self.max_staleness if self.is_async else int(self.late == "count")

    @property
    def most_out(self) -> int | None:
        """Assignments of an asynchronous run that are out at once at most; `None` in rounds."""
        return None if self.buffer is None else self.concurrency or 2 * self.buffer

    @property
    def least_updates(self) -> int:
        """Updates that a version is made of at least."""
        return self.quorum if self.buffer is None else min(self.quorum, self.buffer)

    @property
    def evaluators(self) -> Evaluate | None:
        """Who evaluates: only sites have the whole of a model of their own.

        With record privacy no figure of their data leaves them.
        """
        if self.hyperparameters.is_private:
            return "coordinator"
        return "sites" if self.evaluate is None and self.has_own_models else self.evaluate

    @property
    def has_own_models(self) -> bool:
        """Whether each site has a model of its own: by personal layers, or by Ditto."""
        return bool(self.personal) or self.hyperparameters.ditto is not None

    @property
    def feeds_errors_back(self) -> bool:
        """Whether sites keep what encoding loses; if not said, where most values are left out."""
        if self.error_feedback is None:
            return is_sparse(self.encoding)
        return self.error_feedback

    @property
    def goal(self) -> Goal | None:
        """The value of a metric that ends the run, if it has one."""
        return None if self.stop_when is None else parse_goal(self.stop_when)

    @property
    def ends_by_score(self) -> bool:
        """Whether what a version is worth may end the run."""
        return self.stop_when is not None or self.patience_rounds is not None

    def due(self, after: datetime) -> datetime:
        """Return when the next round is due, given that the previous one was due at `after`.

        Both are on the grid clock.
        """
        if self.cron is None:
            return after
        return _next_due(self.cron, after)

    def lower_is_better(self, *, stated: bool) -> bool:
        """Return whether less of the metric is better: as the run says, else the workload or name.

        Args:
            stated: Whether the workload states that less of it is better.
        """
        return self.minimize if self.minimize is not None else stated or named_as_error(self.metric)


@lru_cache(maxsize=1024)
def _next_due(cron: str, after: datetime) -> datetime:
    """Return when a schedule comes due next; asked again and again of the same instants."""
    due: datetime = copy(_schedule(cron)).get_next(datetime, start_time=after)
    return due


@lru_cache(maxsize=64)
def _schedule(cron: str) -> croniter:
    """Return a parsed schedule; copy it before use, as it remembers where it is."""
    return croniter(cron)


def _comes_due(cron: str) -> bool:
    # croniter also takes random fields, which would make each reader's schedule its own, and
    # days that no month has.
    if len(cron.split()) != _CRON_FIELDS or re.search(r"(^|[\s,])[hr]", cron, re.IGNORECASE):
        return False
    try:
        croniter(cron, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except (CroniterError, ValueError):
        return False
    return True
