"""Plain JSON from the wire, bounded in size before it is parsed and in depth after.

The parser itself ends with an error where nesting exhausts its stack. What is refused besides is
what Python's `json` takes and others do not: NaN, endless integers, lone surrogates. Kombu's typed
objects, which it turns into other things as it reads, are refused, too.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MOST_DEPTH = 24
"""Levels of nesting; an assignment has seven."""

MOST_INTEGER = 2**63
"""No figure of ours is as large."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPED = "__type__"


class UnfitError(ValueError):
    """What arrived is not taken. Its arguments: a code, and why, as the end of a sentence."""

    @property
    def code(self) -> str:
        """The kind of fault."""
        return str(self.args[0])

    @property
    def text(self) -> str:
        """What is wrong."""
        return str(self.args[1])


def unfit(code: str, text: str) -> NoReturn:
    """Refuse what arrived, for a reason of that kind and text.

    Raises:
        UnfitError: Always.
    """
    raise UnfitError(code, text)


def parse(raw: bytes, *, most_nbytes: int) -> Any:
    """Return what plain JSON says.

    Args:
        raw: What arrived.
        most_nbytes: So many bytes are parsed at most.

    Raises:
        UnfitError: If it is too large, too deep, or no plain JSON.
    """
    if len(raw) > most_nbytes:
        msg = f"it has {len(raw)} bytes, and none of ours has more than {most_nbytes}"
        unfit("too_large", msg)
    try:
        found = json.loads(raw.decode(), parse_constant=_no_constant)
    except RecursionError:
        unfit("too_deep", "it is nested too deeply")
    except UnfitError:
        raise
    except ValueError:  # also of bytes that are no UTF-8, and of integers with too many digits
        unfit("not_json", "it is no JSON that can be read")
    _check(found)
    return found


def _no_constant(name: str) -> NoReturn:
    unfit("not_json", f"it holds {name}, which JSON does not have")


def _check(found: object) -> None:
    """Check every value; level by level, so that depth costs no stack.

    Raises:
        UnfitError: If one is not plain, or lies too deep.
    """
    level: list[object] = [found]
    for _ in range(MOST_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                if _TYPED in value:
                    unfit("typed_json", f"it holds an object with {_TYPED}")
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            else:
                _check_scalar(value)
        if not below:
            return
        level = below
    unfit("too_deep", f"it is nested more than {MOST_DEPTH} levels deep")


def _check_scalar(value: object) -> None:
    if isinstance(value, str) and _SURROGATE.search(value):
        unfit("not_json", "a text of it holds half a character")
    if isinstance(value, float) and not math.isfinite(value):
        unfit("not_json", "a number of it is not finite")
    if isinstance(value, int) and not -MOST_INTEGER <= value < MOST_INTEGER:
        unfit("not_json", "an integer of it is too large")
