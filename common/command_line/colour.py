"""When a verb prints in colour."""

from __future__ import annotations

from collections.abc import Mapping


def wants_colour(env: Mapping[str, str]) -> bool | None:
    """Return whether the environment wants colour; `None` where the terminal decides.

    NO_COLOR (no-color.org) and TERM=dumb switch it off, FORCE_COLOR and CLICOLOR_FORCE on.

    >>> [wants_colour(env) for env in ({"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {})]
    [False, True, None]
    """
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return False if env.get("TERM") == "dumb" else None
