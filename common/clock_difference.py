"""How far one machine's clock is ahead of another's, and when that is worth a word."""

from __future__ import annotations

from common.units import show_duration

NOTICED_S = 30.0
"""Clocks that differ by less agree: a slow line alone makes them seem seconds apart."""

MOST_AHEAD_S = 100 * 365.25 * 86_400.0
"""A clock is set wrong by a century at most: that of a machine without one begins in 1970."""

_AGREE_AGAIN_S = 15.0
"""A clock that was set right is within this; less than what is noticed, so nothing flickers."""


def difference_to_note(known_s: float, found_s: float) -> float | None:
    """Return the difference of two clocks to be noted, `None` if the one that is known holds.

    Args:
        known_s: How far ahead the clock is known to be, s; 0 if both agree.
        found_s: How far ahead it is found to be now, s.

    >>> [difference_to_note(0.0, found_s) for found_s in (2.5, -7200.04)]
    [None, -7200.0]
    >>> [difference_to_note(-7200.0, found_s) for found_s in (-7203.0, -3600.0, 0.4)]
    [None, -3600.0, 0.0]
    """
    right_again = known_s != 0.0 and abs(found_s) < _AGREE_AGAIN_S
    if not right_again and abs(found_s - known_s) < NOTICED_S:
        return None
    return round(found_s, 1) if abs(found_s) >= NOTICED_S else 0.0


def show_difference(ahead_s: float) -> str:
    """Return how far a clock is ahead of another as text.

    >>> show_difference(-7200.0), show_difference(330.0)
    ('2 h behind', '5 min 30 s ahead')
    """
    return f"{show_duration(abs(ahead_s))} {'ahead' if ahead_s > 0 else 'behind'}"


TO_SET_IT_RIGHT = "timedatectl set-ntp true"
"""What sets the clock of a machine by the network, where systemd runs."""
