"""The server optimizers by name, with their options and within which bounds these make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping

from common.settings.names import nearest

_BETAS = frozenset({"beta_1", "beta_2"})

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "fedavg": ("learning_rate",),
    "fedadam": ("learning_rate", "beta_1", "beta_2", "tau"),
}
"""The options that each one takes."""


def options_fault(name: str, options: Mapping[str, float]) -> str | None:
    """Return what is wrong with a server optimizer's options, as a clause; `None` if nothing is.

    >>> options_fault("fedavg", {"learning_rat": 0.1})
    "fedavg has no option 'learning_rat': did you mean learning_rate?"
    """
    for option, value in options.items():
        if option not in OPTIONS[name]:
            near = nearest(option, OPTIONS[name])
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(OPTIONS[name])}"
            return f"{name} has no option {option!r}: {hint}"
        if not (0 <= value < 1 if option in _BETAS else 0 < value < math.inf):
            fits = "at least 0 and below 1" if option in _BETAS else "positive and finite"
            return f"{option}={value:g} does not fit {name}: give a value that is {fits}"
    return None
