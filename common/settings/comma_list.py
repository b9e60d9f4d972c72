"""Lists in the environment: words separated by commas."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def split(value: object) -> object:
    """Return text as a tuple of its words, and anything else as it is."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
"""A tuple that the environment holds as words separated by commas."""
