"""The server optimizers by name, with their options and within which bounds these make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping

from common.own_function import PATH
from common.settings.names import nearest

OPTIONS: Mapping[str, Mapping[str, float]] = {
    "fedavg": {"learning_rate": 1.0},
    "fedavgm": {"learning_rate": 0.1, "momentum": 0.9},
    "fedadagrad": {"learning_rate": 0.1, "beta_1": 0.0, "tau": 1e-3},
    "fedadam": {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3},
    "fedyogi": {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3},
}
"""The options that each one takes, with their defaults: the papers', where these give one."""

_BELOW_ONE = frozenset({"beta_1", "beta_2", "momentum"})


def is_own(name: str) -> bool:
    """Return whether a name is the import path of a user's function.

    >>> is_own("mine:step"), is_own("fedavg")
    (True, False)
    """
    return PATH.fullmatch(name) is not None


def options_fault(name: str, options: Mapping[str, float]) -> str | None:
    """Return what is wrong with a server optimizer, as a clause; `None` if nothing is.

    >>> options_fault("fedavg", {"learning_rat": 0.1})
    "fedavg has no option 'learning_rat': did you mean learning_rate?"
    >>> options_fault("fedyoghi", {})
    "'fedyoghi' is unknown: did you mean fedyogi?"
    """
    if is_own(name):
        if "options" in options:
            return f"{name} is handed --option by that name: rename the server option 'options'"
        return None
    if name not in OPTIONS:
        near = nearest(name, OPTIONS)
        known = f"choose {', '.join(OPTIONS)}, or a function of yours as module:function"
        return f"{name!r} is unknown: {f'did you mean {near}?' if near else known}"
    for option, value in options.items():
        if option not in OPTIONS[name]:
            near = nearest(option, OPTIONS[name])
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(OPTIONS[name])}"
            return f"{name} has no option {option!r}: {hint}"
        if not (0 <= value < 1 if option in _BELOW_ONE else 0 < value < math.inf):
            fits = "at least 0 and below 1" if option in _BELOW_ONE else "positive and finite"
            return f"{option}={value:g} does not fit {name}: give a value that is {fits}"
    return None
