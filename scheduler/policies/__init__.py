"""Selection policies: who among the eligible clients is invited to a round.

A policy is one pure function in a file of its own, named in `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from common.errors import SettingError
from scheduler.policies import everyone, fairwind, uniform
from scheduler.policies.candidate import Candidate

Policy = Callable[[Sequence[Candidate], int, Random], list[str]]
"""Takes the candidates, how many are wanted and a seeded generator; returns the ids invited."""


@dataclass(frozen=True, slots=True)
class _Entry:
    select: Policy
    summary: str


POLICIES: dict[str, _Entry] = {
    "fairwind": _Entry(fairwind.select, "samples by score among the open, and explores"),
    "random": _Entry(uniform.select, "samples uniformly among the open"),
    "all": _Entry(everyone.select, "invites every open client"),
}


def find_policy(name: str) -> Policy:
    """Return the policy of that name.

    Raises:
        SettingError: If there is none.
    """
    if name not in POLICIES:
        msg = f"There is no policy {name!r}, so no run was started. Choose {', '.join(POLICIES)}."
        raise SettingError(msg)
    return POLICIES[name].select
