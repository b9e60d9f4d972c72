"""Options of a run that are handed to the functions of its workload."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

_MOST = 64
_LONGEST = 1000

_NAME = re.compile(r"[^\W\d][\w.-]*")
"""Also keys of a Flower app's run_config, such as local-epochs."""


def options_of(words: tuple[str, ...]) -> dict[str, bool | int | float | str]:
    """Return options as they stand on a command line: numbers, true and false, and texts.

    Raises:
        ValueError: If a word is not ``name=value``.

    >>> options_of(("width=64", "rate=0.5", "wide=true", "kind=a=b"))
    {'width': 64, 'rate': 0.5, 'wide': True, 'kind': 'a=b'}
    """
    options = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            msg = f"{word!r} is not name=value"
            raise ValueError(msg)
        options[name] = _typed(text)
    return options


def _typed(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def checked(options: Any) -> Any:
    """Return options if they can be handed on.

    Raises:
        ValueError: If a name is no Python name, a value neither number, true, false nor text, or
            there are too many.
    """
    if not isinstance(options, Mapping):
        msg = "options are a table of names and values"
        raise ValueError(msg)  # noqa: TRY004 - a type error would not be a fault of the input
    if len(options) > _MOST:
        msg = f"there are {len(options)} options: give {_MOST} at most"
        raise ValueError(msg)
    for name, value in options.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            msg = f"{name!r} is no name of an option: use letters, digits and any of - . _"
            raise ValueError(msg)
        if not isinstance(value, bool | int | float | str):
            msg = f"{name} is neither number, true, false nor text: give one of these"
            raise ValueError(msg)  # noqa: TRY004 - (the same)
        if isinstance(value, float) and not math.isfinite(value):
            msg = f"{name}={value} is not finite: give a finite number"
            raise ValueError(msg)
        if isinstance(value, str) and len(value) > _LONGEST:
            msg = f"{name} has {len(value)} characters: give {_LONGEST} at most"
            raise ValueError(msg)
    return options


OptionsGiven = Mapping[str, bool | int | float | str]
"""Options by name, to read."""

WorkloadOptions = Annotated[dict[str, bool | int | float | str], BeforeValidator(checked)]
"""Options by name, as `checked` lets them pass."""
