"""Which clients train one after the other, and which together in a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.hyperparameters import Hyperparameters
from models.batched.batch_schedule import Examples
from models.batched.client_work import ClientWork

_TURN = 0.25
"""Cost of a step of one client alone, less the cost of one more client in a stack's step, as a
share of the fixed cost of a stack's step. Measured for digits on two cores: 0.26 ms alone; in a
stack 0.75 ms and 0.06 ms for each client (torch 2.13, November 2026)."""

_STACK_VALUES = 4_000_000
"""Trainable values that the clients of a stack have together, at most: 80 MB with gradients and
Adam's moments. Larger stacks are not faster (digits, 100 and 1,000 clients, two cores)."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The places of works, each once.

    Attributes:
        in_turn: Clients that train alone.
        stacks: Clients that train together, those with most steps first.
    """

    in_turn: list[int]
    stacks: list[list[int]]


def arrange(
    examples: Examples,
    works: Sequence[ClientWork],
    *,
    hyperparameters: Hyperparameters,
    values: int,
    turns: bool,
) -> Arrangement:
    """Arrange works; in whatever order they come, the same ones train together.

    Args:
        examples: The clients' examples.
        works: What each client trains.
        hyperparameters: The run's; the epochs are those of the works.
        values: Trainable values of the model.
        turns: Whether the clients for which it is faster train in turn.
    """
    num_steps = [examples.num_steps(work, hyperparameters) for work in works]

    def rank(place: int) -> tuple[int, int, str, int, float]:
        work = works[place]
        size = examples.sizes[work.client]
        return -num_steps[place], -size, work.client, work.seed, work.epochs

    order = sorted(range(len(works)), key=rank)
    steps = [num_steps[place] for place in order]
    first = count_turns(steps) if turns else 0
    stacked, most = order[first:], max(1, _STACK_VALUES // values)
    stacks = [stacked[begin : begin + most] for begin in range(0, len(stacked), most)]
    return Arrangement(order[:first], stacks)


def count_turns(steps: Sequence[int]) -> int:
    """Return how many clients, those with most steps, had better train in turn.

    While one client has steps left, a step of the stack costs almost what it does for many.

    Args:
        steps: Of every client, most first.
    """
    longest = np.append(steps, 0)  # of the stack without the first clients
    costs = longest + _TURN * np.append(0, np.cumsum(steps))
    return int(costs.argmin())
