"""Bounds of what a message may hold: numbers, sizes and times beyond them are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

MOST_NUMBER = 2**31
"""No round, no attempt and no process has a greater number."""

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def on_a_clock(at: datetime) -> datetime:
    """Return a time that a clock may show.

    Raises:
        ValueError: If no clock is set so wrong.
    """
    try:
        in_time = _FIRST <= at <= _LAST
    except OverflowError:  # of the last day of all, in a time zone behind UTC
        in_time = False
    if not in_time:
        msg = f"no clock shows the year {at.year}: set the clock of the machine right"
        raise ValueError(msg)
    return at


Instant = Annotated[AwareDatetime, AfterValidator(on_a_clock)]
"""A time as a clock may show it, however wrong: sums of others may have no date."""

MOST_EXAMPLES = 2**40 - 1
"""Nobody has more."""

Count = Annotated[int, Field(ge=0, le=MOST_EXAMPLES)]
"""A number of examples."""

Nbytes = Annotated[int, Field(ge=0, lt=2**50)]
"""A size in bytes: no message names more than a petabyte."""

MOST_W = 200_000.0
"""No site draws more, cooling included: a rack of 72 GPUs takes 132 kW (NVIDIA GB200, 2024)."""
