"""How a learning rate changes from round to round: a function of the round's number alone."""

from __future__ import annotations

import math
import re
from typing import Annotated

from common.message import without

_NUMBER = r"(\d+(?:\.\d+)?)"
_KINDS = {
    "constant": re.compile("constant"),
    "cosine": re.compile(rf"cosine:{_NUMBER}"),
    "linear": re.compile(rf"linear:{_NUMBER}"),
    "exponential": re.compile(rf"exponential:{_NUMBER}"),
    "step": re.compile(rf"step:{_NUMBER}:{_NUMBER}"),
}
_WARM_UP = re.compile(rf"warmup:{_NUMBER}(?:,(.*))?")

FORMS = "constant, cosine:ROUNDS, linear:ROUNDS, exponential:FACTOR or step:ROUNDS:FACTOR"
"""What a schedule may be, each also after ``warmup:ROUNDS,``."""

_DIGITS = 12
"""To which a factor is rounded, so that hosts whose cosines differ in the last bit agree."""


def schedule_fault(text: str) -> str | None:
    """Return what is wrong with a schedule, as the end of a sentence; `None` if nothing is.

    >>> schedule_fault("warmup:5,cosine:100")
    >>> print(schedule_fault("cosin:100"))
    'cosin:100' is no schedule: give constant, ... after a warm-up: warmup:5,cosine:100
    """
    if _parse(text) is None:
        return (
            f"{text!r} is no schedule: give {FORMS}, "
            "or one of these after a warm-up: warmup:5,cosine:100"
        )
    return None


Schedule = Annotated[str, without(schedule_fault)]
"""How a learning rate changes from round to round."""


def learning_rate_factor(schedule: str, round_number: int) -> float:
    """Return by what a learning rate is multiplied in a round.

    - ``constant``: 1.
    - ``cosine:N``: (1 + cos(pi * (r - 1) / N)) / 2, from 1 in round 1 towards 0 in round N, and as
      in round N from then on. Loshchilov and Hutter, "SGDR", ICLR 2017,
      https://arxiv.org/abs/1608.03983, equation 5, without restarts.
    - ``linear:N``: 1 - (r - 1) / N, as in round N from then on.
    - ``exponential:F``: F ** (r - 1).
    - ``step:N:F``: F ** floor((r - 1) / N).
    - ``warmup:W,<one of these>``: r / (W + 1) up to round W; then the other, counted from there.

    Args:
        schedule: One without a `schedule_fault`.
        round_number: From 1.

    Returns:
        More than 0, at most 1.

    >>> [learning_rate_factor("warmup:1,step:2:0.5", r) for r in (1, 2, 3, 4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    parsed = _parse(schedule)
    assert parsed is not None  # noqa: S101 - checked where the schedule came in
    warm_up, kind, numbers = parsed
    if round_number <= warm_up:
        factor = round_number / (warm_up + 1)
    else:
        factor = _factor(kind, numbers, round_number - 1 - warm_up)
    return float(f"{factor:.{_DIGITS}g}")


def _factor(kind: str, numbers: tuple[float, ...], rounds_before: int) -> float:
    if kind == "cosine":
        (length,) = numbers
        return (1 + math.cos(math.pi * min(rounds_before, length - 1) / length)) / 2
    if kind == "linear":
        (length,) = numbers
        return 1 - min(rounds_before, length - 1) / length
    if kind == "exponential":
        (base,) = numbers
        return max(math.pow(base, rounds_before), _LEAST)
    if kind == "step":
        length, base = numbers
        return max(math.pow(base, rounds_before // length), _LEAST)
    return 1.0


_LEAST = 1e-12
"""No schedule ends in a learning rate of nothing."""


def _parse(text: str) -> tuple[int, str, tuple[float, ...]] | None:
    """Return the rounds of warm-up, the kind and its numbers; `None` if it is no schedule."""
    warm_up = 0
    rest = text
    if matched := _WARM_UP.fullmatch(text):
        if not matched[1].isdecimal():
            return None
        warm_up, rest = int(matched[1]), matched[2] or "constant"
    for kind, pattern in _KINDS.items():
        if matched := pattern.fullmatch(rest):
            numbers = tuple(float(number) for number in matched.groups())
            return (warm_up, kind, numbers) if _fits(kind, matched.groups()) else None
    return None


def _fits(kind: str, numbers: tuple[str, ...]) -> bool:
    """Return whether rounds are whole and at least 1, and factors above 0 and at most 1."""
    lengths = numbers[:1] if kind in {"cosine", "linear", "step"} else ()
    factors = numbers[len(lengths) :]
    return all(n.isdecimal() and int(n) >= 1 for n in lengths) and all(
        0 < float(n) <= 1 for n in factors
    )
