"""How settings are named: ``pue`` in a file is ``FAIRWIND_PUE`` in the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection

PREFIX = "FAIRWIND_"

CONFIG = f"{PREFIX}CONFIG"
"""Names the settings file."""

ENVIRONMENT_ONLY = frozenset({f"{PREFIX}DATA", f"{PREFIX}FAILPOINT", f"{PREFIX}CLIENT", CONFIG})
"""Variables that no file can set: the folder of real traces, the failpoint of a fault test, the
client of a worker, the settings file itself."""


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("tick_s")
    'FAIRWIND_TICK_S'
    """
    return f"{PREFIX}{name}".upper()


def in_environment(name: str) -> bool:
    """Return whether the environment sets a setting."""
    return variable(name) in {each.upper() for each in os.environ}


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that looks most like `name`, or `None` if none does.

    >>> nearest("FAIRWIND_TICKS", {"tick_s", "pue"})
    'tick_s'
    """
    # Without the prefix, which would make all names alike.
    bare = name.upper().removeprefix(PREFIX).lower()
    return next(iter(difflib.get_close_matches(bare, known, n=1)), None)
