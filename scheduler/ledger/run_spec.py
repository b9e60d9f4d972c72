"""A run: what a user asks for when a model is to be trained, fixed at its start."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from croniter import CroniterError, croniter
from pydantic import Field, ValidationInfo, field_validator, model_validator

from common.messages import NAME_PATTERN, Hyperparameters, Message
from common.server_optimizers import options_fault
from common.workload_names import name_fault

_YEAR_S = 366 * 86_400.0
_CENTURY_H = 100 * 366 * 24.0
"""Bounds on spans of time, well before a sum of dates leaves the calendar."""

_MOST = 10**9
"""Bound on numbers of rounds and clients, within what a 64-bit database holds."""

_CRON_FIELDS = 5


class ServerOptimizerSpec(Message):
    """The rule that turns the mean update of a round into the next version."""

    name: Literal["fedavg", "fedadam"] = "fedavg"
    options: dict[str, float] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _are_its_own(cls, options: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        fault = options_fault(info.data["name"], options) if "name" in info.data else None
        if fault is not None:
            raise ValueError(fault)
        return options


class RunSpec(Message):
    """Everything a run was asked to do; recorded whole in the ledger when it starts.

    Attributes:
        cohort: Updates a round aims at; `None` aims at every client whose gate is open.
        over_selection: Share of clients invited beyond `cohort`, so stragglers can be left behind.
        quorum: Updates a round needs at least, to start and to close.
        deadline_s: Wall seconds after which a round closes with its quorum.
        norm_bound: Largest L2 norm an update may have.
        weight_cap: Largest number of examples that counts as an update's weight.
        rounds, hours, grams: Budgets: rounds, grid hours, gCO2eq. The first one spent ends the run.
        cron: Five cron fields on the grid clock (UTC); each occurrence makes one round due, and
            those that pass while it waits lapse.
            `None` makes a round due as soon as the one before has ended.
        metric: What decides which version is the best; ``loss`` is minimised, others maximised.
    """

    id: str = Field(pattern=NAME_PATTERN)
    workload: str
    hyperparameters: Hyperparameters = Hyperparameters()
    policy: str = "fairwind"
    policy_options: dict[str, float] = Field(default_factory=dict)
    server_optimizer: ServerOptimizerSpec = ServerOptimizerSpec()
    cohort: int | None = Field(default=None, ge=1, le=_MOST)
    over_selection: float = Field(default=0.0, ge=0, le=2)
    quorum: int = Field(default=2, ge=1, le=_MOST)
    deadline_s: float = Field(default=600.0, gt=0, le=_YEAR_S)
    norm_bound: float = Field(default=1000.0, gt=0)
    weight_cap: int = Field(default=1_000_000, ge=1, lt=2**40)
    rounds: int | None = Field(default=None, ge=1, le=_MOST)
    hours: float | None = Field(default=None, gt=0, le=_CENTURY_H)
    grams: float | None = Field(default=None, gt=0)
    cron: str | None = None
    metric: str = "accuracy"
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("workload")
    @classmethod
    def _names_a_workload(cls, value: str) -> str:
        fault = name_fault(value)
        if fault is not None:
            raise ValueError(fault)
        return value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and not _comes_due(value):
            msg = f'{value!r} never comes due: give five cron fields, e.g. "0 22 * * *"'
            raise ValueError(msg)
        return value

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

    def due(self, after: datetime) -> datetime:
        """Return when the next round is due, given that the previous one was due at `after`.

        Both are on the grid clock.
        """
        if self.cron is None:
            return after
        return _next_due(self.cron, after)

    def better(self, value: float, best: float | None) -> bool:
        """Return whether `value` of the metric beats `best`."""
        if best is None:
            return True
        return value < best if lower_is_better(self.metric) else value > best


def lower_is_better(metric: str) -> bool:
    """Return whether a smaller value of a metric is a better one."""
    return metric == "loss"


@lru_cache(maxsize=1024)
def _next_due(cron: str, after: datetime) -> datetime:
    """Return when a schedule comes due next; asked again and again of the same instants."""
    due: datetime = croniter(cron, after).get_next(datetime)
    return due


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
