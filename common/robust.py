"""The robust rules by which a run may combine updates, as a run names them."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from common.message import without
from common.settings.names import nearest

MEAN = "mean"
"""The rule of runs that ask for no other: the weighted mean, which one site can move anywhere."""

DEFAULT = "nnm-trimmed"
"""The rule that is meant where only a number of liars is given."""

ABOUT_MEAN = ("nnm-trimmed", "trimmed", "krum", "multi-krum")
"""Rules that leave out as much as the assumed number of liars needs."""

WITHOUT_F = ("median", "geometric-median", "centered-clipping")
"""Rules that need no such number: they hold while less than half of the sites lie."""

RULES = (MEAN, "nnm-trimmed", "trimmed", "krum", "multi-krum", *WITHOUT_F)
"""All of them, for the help of a command and its errors."""

FORMS = "mean, F, RULE or RULE:F"
"""How one is written."""

_MOST_LIARS = 1000
_PATTERN = re.compile(r"(?:(?P<rule>[a-z][a-z-]*)(?::(?P<f>\d{1,9}))?|(?P<only>\d{1,9}))")


class Robust(NamedTuple):
    """A rule, and how many liars it withstands.

    Attributes:
        rule: One of `RULES`.
        f: How many of a round's updates may be wrong in any way; 0 for rules without it.
    """

    rule: str
    f: int

    @property
    def least_updates(self) -> int:
        """How many updates it needs: more than twice as many as may be wrong.

        >>> Robust("trimmed", 2).least_updates, Robust("median", 0).least_updates
        (5, 3)
        """
        if self.rule == MEAN:
            return 1
        return 3 if self.rule in WITHOUT_F else 2 * self.f + 1


def robust_fault(text: str) -> str | None:
    """Return why a text names no robust rule and what would, else `None`.

    >>> robust_fault("trimmed:2") is None and robust_fault("2") is None
    True
    >>> robust_fault("krum")
    'krum needs the number of liars that it withstands: write krum:1'
    >>> robust_fault("medain")
    "'medain' is no robust rule: did you mean median?"
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        return f"{text!r} is no robust rule: write {FORMS}, such as nnm-trimmed:2"
    rule, f = found["rule"] or DEFAULT, found["f"] or found["only"]
    if rule not in RULES:
        near = nearest(rule, RULES)
        hint = f"did you mean {near}?" if near else f"choose one of {', '.join(RULES)}"
        return f"{rule!r} is no robust rule: {hint}"
    if rule not in ABOUT_MEAN:
        return None if f is None else f"{rule} takes no number of liars: write {rule}"
    if f is None:
        return f"{rule} needs the number of liars that it withstands: write {rule}:1"
    if not 1 <= int(f) <= _MOST_LIARS:
        return f"{text} assumes {int(f)} liars: give 1 to {_MOST_LIARS}, or write mean"
    return None


def parse_robust(text: str) -> Robust:
    """Return what a text without a `robust_fault` asks for.

    >>> parse_robust("2"), parse_robust("median")
    (Robust(rule='nnm-trimmed', f=2), Robust(rule='median', f=0))
    """
    if text.isdigit():
        return Robust(DEFAULT, int(text))
    rule, _, f = text.partition(":")
    return Robust(rule, int(f or 0))


RobustRule = Annotated[str, without(robust_fault)]
"""By which rule updates are combined; see `models.robust`."""
