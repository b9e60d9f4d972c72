"""A user's own loop: `train(model, data, context)` of a workload, and its own `evaluate`.

Fairwind hands over the pulled model and takes the difference that the loop has made. What happens
in between is the user's. So whatever would change a step of the loop of `models.training` is
refused: it would have no effect, and the ledger would say that it had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor, nn

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from common.own_function import parameters_of
from models.loop_context import LoopContext
from models.memory import Memory, as_part
from models.metric_values import Metrics, metric_values
from models.seed import seed_generators
from models.workload import Data, Workload, blamed, name_of

KIND = "own_loop"
"""What a site's memory calls the state that a loop keeps."""

_STEPS = {
    "accumulate": "--accumulate",
    "drop_last": "--drop-last",
    "clip_norm": "--clip-norm",
    "proximal_mu": "--proximal-mu",
    "precision": "--precision",
}
"""Hyperparameters that change a step or a batch, with their options on the command line."""

Brought = Literal["own optimizer", "own loader", "own loop"]
"""What a workload may bring that not every run goes with."""

_FIGURES = ("num_examples", "num_steps", "loss")


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """What a loop reports.

    Attributes:
        num_examples: On how many examples it trained.
        num_steps: How many steps its optimizer took; `None` if unknown.
        loss: The mean training loss of its last pass; NaN if unknown or diverged.
    """

    num_examples: int
    num_steps: int | None
    loss: float


def own_function(workload: Workload, name: str) -> Callable[..., Any] | None:
    """Return a workload's own `train` or `evaluate`; only one with a parameter `context` is meant.

    A module may well have functions of these names for itself.
    """
    function = getattr(workload, name, None)
    meant = "context" in parameters_of(function)
    return cast("Callable[..., Any]", function) if meant else None


def brings(workload: Workload) -> set[Brought]:
    """Return what a workload brings that not every run goes with."""
    own: dict[str, Brought] = {"optimizer": "own optimizer", "loader": "own loader"}
    found = {feature for name, feature in own.items() if hasattr(workload, name)}
    return found if own_function(workload, "train") is None else {*found, "own loop"}


def _fault(workload: Workload, hyperparameters: Hyperparameters) -> str | None:
    """Return which hyperparameters the own loop of this site's workload leaves without effect.

    A coordinator refuses such a run before it starts, but its workload may be another one.
    """
    usual = Hyperparameters()
    asked = [
        option
        for name, option in _STEPS.items()
        if getattr(hyperparameters, name) != getattr(usual, name)
    ]
    if not asked:
        return None
    return (
        f"The workload {name_of(workload)} trains with its own loop, in which {', '.join(asked)} "
        f"would have no effect, so nothing is trained. Leave {'it' if len(asked) == 1 else 'them'} "
        "out, or remove the workload's function train."
    )


def run_loop(
    workload: Workload, model: nn.Module, data: Data, context: LoopContext, *, num_examples: int
) -> tuple[LoopFigures, Memory]:
    """Let a workload's own loop train a model in place.

    Args:
        workload: Whose loop.
        model: In training mode, the pulled state loaded.
        data: The client's.
        context: Of its part.
        num_examples: How many examples the data hold; 0 if unknown.

    Returns:
        What it reports, and the state it keeps.

    Raises:
        WorkloadError: If it raises, would leave hyperparameters without effect, or reports or keeps
            what cannot be recorded.
    """
    if fault := _fault(workload, context.hyperparameters):
        raise WorkloadError(fault)
    train = own_function(workload, "train")
    assert train is not None  # noqa: S101 - for the type checker
    seed_generators(context.seed)
    with blamed(workload, "assignment"):
        figures = train(model, data, context)
    return _figures(workload, figures, num_examples), as_part(_kept(workload, context.state), KIND)


def run_evaluation(
    workload: Workload, model: nn.Module, data: Data, context: LoopContext
) -> tuple[Metrics, int | None]:
    """Return a workload's own metrics of a model, and of how many examples if it says so.

    Raises:
        WorkloadError: If it raises, or returns what is no figure.
    """
    own = own_function(workload, "evaluate")
    assert own is not None  # noqa: S101 - for the type checker
    seed_generators(0)
    with blamed(workload, "evaluation"):
        found = own(model.eval(), data, context)
    values = metric_values(found)
    count = values.pop("num_examples", None)
    return values, None if count is None else int(count)


def _figures(workload: Workload, reported: object, num_examples: int) -> LoopFigures:
    found = {} if reported is None else reported
    if not isinstance(found, Mapping) or not set(found) <= set(_FIGURES):
        what = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise WorkloadError(_misreported(workload, f"returned {what}"))
    for name in _FIGURES[:2]:
        value = found.get(name)
        if value is not None and not _is_count(value):
            raise WorkloadError(_misreported(workload, f"returned {name} {value}"))
    count = int(found.get("num_examples") or num_examples)
    if not count:
        raise WorkloadError(_misreported(workload, "has data without length and no num_examples"))
    steps, loss = found.get("num_steps"), found.get("loss")
    if loss is not None and not _is_number(loss):
        raise WorkloadError(_misreported(workload, f"returned loss {loss}"))
    return LoopFigures(
        count, None if steps is None else int(steps), math.nan if loss is None else float(loss)
    )


def _is_number(value: Any) -> bool:
    """Return whether a value of any kind, such as a tensor of one element, is a real number."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False
    return not isinstance(value, str)


def _is_count(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value) and int(value) == value and value >= 1


def _kept(workload: Workload, state: Mapping[str, object]) -> Memory:
    wrong = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        msg = (
            f"The workload {name_of(workload)} left {', '.join(wrong)} in context.state, of which "
            "the site can keep tensors alone, so its update is not sent. Make it a tensor."
        )
        raise WorkloadError(msg)
    return {
        name: cast("Tensor", tensor).detach().to("cpu", copy=True).contiguous()
        for name, tensor in state.items()
    }


def _misreported(workload: Workload, what: str) -> str:
    return (
        f"The train of the workload {name_of(workload)} {what}, so its update is not sent. Return "
        f"nothing, or a dict of numbers with some of {', '.join(_FIGURES)}; counts are whole and "
        "positive."
    )
