"""Personal layers: which tensors of a model never leave a site, as a run names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

NORM = "norm"
"""The pattern that stands for every normalisation layer."""

LONGEST = 200

PersonalPatterns = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[^\s,]+$", max_length=LONGEST)], ...],
    Field(max_length=32),
    BeforeValidator(lambda given: tuple(given) if isinstance(given, list) else given),
]
"""Patterns of tensor names, with * ? and [] as in file names, or `NORM`. A tensor that one of them
matches stays at the sites."""


def patterns_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns in the words of a command line, each once.

    >>> patterns_of(("bn*,head.*", "head.*"))
    ('bn*', 'head.*')
    """
    named = (pattern.strip() for word in words for pattern in word.split(","))
    return tuple(dict.fromkeys(pattern for pattern in named if pattern))
