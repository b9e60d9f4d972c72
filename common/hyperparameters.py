"""How a site trains: one round's work, as a run asks for it."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from common.message import Message
from common.schedule import Schedule, learning_rate_factor

Precision = Literal["fp32", "bf16", "fp16"]
"""In what sites compute gradients. bf16 and fp16 are mixed precision: 16 bits where they do no
harm, and float32 parameters; see `models.precision`."""

Privacy = Literal["none", "record"]
"""Whether sites train with differential privacy, and of what."""


class Hyperparameters(Message):
    """How a site trains: chosen once for a run and recorded in every assignment.

    `steps` of the optimizer take the place of epochs: a client with few examples begins them anew.
    `last_epoch` is the share of the examples, newly drawn, on which the last epoch trains: less
    than 1 only in an assignment, whose policy may want less than the run's whole epochs.
    Each step sums the gradients of `accumulate` batches; fewer at the end of an epoch. With
    `drop_last`, what does not fill a batch is left out of an epoch. `schedule` changes the learning
    rate from round to round. A gradient longer than `clip_norm` is scaled to that length.
    `proximal_mu` draws a model back to where it started; see `models.algorithms.fedprox`. With
    `ditto`, its lambda, a site trains a model of its own beside it; see `models.algorithms.ditto`.
    With `privacy` ``record`` training is differentially private for each record of a site: batches
    are Poisson samples of `batch_size` examples on average, `clip_norm` (1 if left out) bounds the
    gradient of each example, and the sum gets normal noise of `noise_multiplier` times that bound;
    see `models.privacy`.
    """

    epochs: int = Field(default=1, ge=1, le=10_000)
    last_epoch: float = Field(default=1.0, gt=0, le=1)
    steps: int | None = Field(default=None, ge=1, le=1_000_000)
    batch_size: int = Field(default=32, ge=1)
    accumulate: int = Field(default=1, ge=1, le=10_000)
    drop_last: bool = False
    learning_rate: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    schedule: Schedule = "constant"
    clip_norm: float | None = Field(default=None, gt=0)
    proximal_mu: float = Field(default=0.0, ge=0)
    ditto: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    precision: Precision = "fp32"
    privacy: Privacy = "none"
    noise_multiplier: float = Field(default=1.0, ge=0.3, le=1000)

    @model_validator(mode="after")
    def _counts_once(self) -> Self:
        if self.steps is not None and self.epochs != 1:
            msg = (
                f"{self.steps} steps and {self.epochs} epochs both say how long a client trains: "
                "give one of them"
            )
            raise ValueError(msg)
        return self

    @property
    def is_private(self) -> bool:
        """Whether training is differentially private for each record."""
        return self.privacy == "record"

    def in_round(self, round_number: int) -> Self:
        """Return those of one round: with the learning rate that the schedule gives it.

        Args:
            round_number: From 1.
        """
        if self.schedule == "constant":
            return self
        rate = self.learning_rate * learning_rate_factor(self.schedule, round_number)
        return self.model_copy(update={"learning_rate": rate, "schedule": "constant"})

    def with_epochs(self, epochs: float | None) -> Self:
        """Return those of a client that does so many epochs, perhaps not a whole number.

        Where steps take the place of epochs, it does that share of the steps, at least one.

        Args:
            epochs: Above 0; `None` for as many as the run asks.

        >>> Hyperparameters(epochs=5).with_epochs(2.25).last_epoch
        0.25
        >>> Hyperparameters(steps=10).with_epochs(0.5).steps
        5
        """
        if epochs is None:
            return self
        if self.steps is not None:
            return self.model_copy(update={"steps": max(1, round(self.steps * epochs))})
        begun = math.ceil(epochs)
        last = epochs - (begun - 1)
        if (begun, last) == (self.epochs, self.last_epoch):
            return self
        return self.model_copy(update={"epochs": begun, "last_epoch": last})

    def examples_of_last_epoch(self, num_examples: int) -> int:
        """Return on how many examples the last epoch trains.

        At least two, if there are: layers such as BatchNorm cannot train on one.

        Args:
            num_examples: On how many a whole epoch trains; at least 1.

        >>> Hyperparameters(last_epoch=0.25).examples_of_last_epoch(12)
        3
        """
        return min(num_examples, max(2, round(self.last_epoch * num_examples)))

    def examples_trained(self, num_examples: int, *, epochs: float | None = None) -> int:
        """Return how often a client trains on an example, all batches of its steps taken as full.

        With Ditto it does so for two models.

        Args:
            num_examples: How many it has.
            epochs: What its round gave it; `None` for as many as the run asks.

        >>> Hyperparameters(epochs=3).examples_trained(100)
        300
        >>> Hyperparameters(steps=10, batch_size=32).examples_trained(100)
        320
        >>> Hyperparameters(epochs=3, ditto=0.1).examples_trained(100)
        600
        """
        models, asked = 1 if self.ditto is None else 2, self.with_epochs(epochs)
        if asked.steps is not None:
            return models * asked.steps * min(num_examples, self.batch_size * self.accumulate)
        last = asked.examples_of_last_epoch(num_examples)
        return models * (num_examples * (asked.epochs - 1) + last)

    def expected_steps(self, num_examples: int, *, epochs: float | None = None) -> int:
        """Return how many steps a client's optimizer takes.

        The batches are those of `models.batch`: a single example left over joins the one before.
        Poisson samples make as many steps as whole batches would, rounded.

        Args:
            num_examples: How many it has, or trains on; at least 1.
            epochs: What its round gave it; `None` for as many as the run asks.

        >>> Hyperparameters(epochs=3).expected_steps(100)
        12
        >>> Hyperparameters().expected_steps(97)
        3
        >>> Hyperparameters(epochs=3).expected_steps(100, epochs=1.5)  # 4 on 100, 2 on 50
        6
        """
        asked = self.with_epochs(epochs)
        if asked.steps is not None:
            return asked.steps
        last = asked.examples_of_last_epoch(num_examples)
        if asked.is_private:
            return max(1, round((num_examples * (asked.epochs - 1) + last) / asked.batch_size))
        return self._steps_on(num_examples) * (asked.epochs - 1) + self._steps_on(last)

    def _steps_on(self, num_examples: int) -> int:
        """Return how many steps a pass over so many examples takes."""
        full, rest = divmod(num_examples, self.batch_size)
        batches = full + (rest > 1 and not self.drop_last) if full else 1
        return -(-batches // self.accumulate)
