"""Selection policies: who among the eligible clients is invited to a round.

A policy is one pure function in a file of its own, named in `POLICIES`; or anybody's, named by its
import path, such as ``mine:select``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass

from common.errors import SettingError
from scheduler.policies import everyone, fairwind, uniform
from scheduler.policies.question import Question

Select = Callable[[Question], list[str]]
"""Answers with the ids of the clients to invite."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to choose.

    Attributes:
        select: The choice.
        summary: What it does, in a few words.
        horizon_h: Hours of forecast it wants to see of each candidate's grid.
        defaults: The parameters it takes, and their defaults.
    """

    select: Select
    summary: str
    horizon_h: int = 0
    defaults: tuple[tuple[str, float], ...] = ()


POLICIES: dict[str, Policy] = {
    "fairwind": Policy(fairwind.select, "samples by score among the open, and explores"),
    "random": Policy(uniform.select, "samples uniformly among the open"),
    "all": Policy(everyone.select, "invites every open client"),
}


def find_policy(name: str) -> Policy:
    """Return the policy of that name, or at that import path.

    A function found by its path may say `horizon_h` and `defaults` as attributes of its own.

    Raises:
        SettingError: If there is none.
    """
    if name in POLICIES:
        return POLICIES[name]
    module, colon, function = name.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Choose {', '.join(POLICIES)}."
        msg = f"There is no policy {name!r}, so no run was started. {hint}"
        raise SettingError(msg)
    try:
        select = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        msg = (
            f"The policy {name!r} cannot be loaded ({error}), so no run was started. Write it as "
            "module:function, and start the coordinator where the module can be imported."
        )
        raise SettingError(msg) from None
    defaults = tuple(dict(getattr(select, "defaults", {})).items())
    return Policy(select, f"{name}, of your own", getattr(select, "horizon_h", 0), defaults)


def policy_options(name: str, chosen: dict[str, float]) -> dict[str, float]:
    """Return a policy's parameters: those chosen, over its defaults.

    Raises:
        SettingError: If there is no such policy, or it takes no such parameter.
    """
    defaults = dict(find_policy(name).defaults)
    for option in chosen:
        if option not in defaults:
            takes = ", ".join(defaults) or "none"
            msg = (
                f"The policy {name} takes no parameter {option!r}, so no run was started. "
                f"It takes: {takes}."
            )
            raise SettingError(msg)
    return {**defaults, **chosen}
