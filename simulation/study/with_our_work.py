"""Other policies with our local work: they choose as published, and dirty sites do fewer epochs.

How much a client does is a rule that any policy can have. So the study also gives it to others:
what is left between them and `fairwind` is then the choice of clients, and not their work. A
scenario names these policies by import path, such as `simulation.study.with_our_work:oort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.local_work import local_work
from scheduler.policies.policy import POLICIES, Option
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult

_AHEAD = "horizon_h"

OURS = {name: option.default for name, option in POLICIES["fairwind"].options.items()}
"""The options of `fairwind`, at their defaults."""


class WithOurWork:
    """A policy whose clients do as many epochs as they would do under `fairwind`.

    Attributes:
        options: The policy's own parameters. How far it looks ahead is at its default.
        horizon_h: Hours of forecast that a client's usual emissions are the mean of.
    """

    def __init__(self, name: str) -> None:
        """Take a policy by name."""
        policy = POLICIES[name]
        self._select = policy.select
        self._fixed = {n: o.default for n, o in policy.options.items() if n == _AHEAD}
        self.options: dict[str, Option] = {
            n: option for n, option in policy.options.items() if n not in self._fixed
        }
        self.horizon_h = int(OURS[_AHEAD])

    def __call__(self, context: SelectionContext) -> SelectionResult:
        """Return the policy's own choice, with the epochs of those that do fewer."""
        selected = self._select(replace(context, options={**context.options, **self._fixed}))
        chosen = (
            selected if isinstance(selected, SelectionResult) else SelectionResult(list(selected))
        )
        return replace(chosen, epochs=_fewer(context, chosen.cohort))


def _fewer(context: SelectionContext, cohort: Sequence[str]) -> dict[str, float]:
    """Return the epochs of those in a cohort that do fewer than the run's."""
    if not cohort:
        return {}
    pool = CandidateTable.of(context.candidates)
    work = local_work(
        hourly_emissions(pool, horizon_h=OURS[_AHEAD], end_h=None), pool.duration_s,
        epochs=context.epochs, full_share=OURS["full_share"], part=OURS["floor"],
    )  # fmt: skip
    counts = dict(zip(pool.clients, work.counts().tolist(), strict=True))
    return {client: counts[client] for client in cohort if counts[client] < context.epochs}


random = WithOurWork("random")
alpha_fair = WithOurWork("alpha_fair")
lowcarb = WithOurWork("lowcarb")
oort = WithOurWork("oort")
