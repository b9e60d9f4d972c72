"""Realised weights: a client whose updates counted seldom so far counts more. Pure.

A policy that weighs by one over the share it plans does not know who will be away, decline or
fail: of solar sites that come at noon alone it sees noon, where each of them has an even share. So
the share is counted instead, as in Wang and Ji, "A Lightweight Method for Tackling Unknown
Participation Statistics in Federated Averaging" (FedAU), ICLR 2024,
https://arxiv.org/abs/2306.03401, where a client's weight is the mean of its past gaps between two
participations. Here it is rounds over participations, which is the same but for the running gap.
Some participations are added to everybody's, so that chance in small counts weighs little, and
weights are bounded in place of the paper's longest gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from scheduler.policies.planning.quotas import HEAVIEST
from scheduler.policies.selection_result import SelectionResult

_PRIOR = 5
"""So many participations are added to everybody's: the count of a client in a draw is off by about
its root."""


def by_participation(
    result: SelectionResult, updates: Mapping[str, int], num_clients: int
) -> SelectionResult:
    """Return a policy's result with realised weights in place of its own.

    A round whose policy sets its own target is one of all clients, which count alike in it.

    Args:
        result: The policy's.
        updates: By client, how many of its updates counted in the run so far.
        num_clients: All enrolled clients.
    """
    if result.target is not None:
        return result
    return replace(result, weights=realised_weights(result.cohort, updates, num_clients))


def realised_weights(
    cohort: Iterable[str], updates: Mapping[str, int], num_clients: int
) -> dict[str, float]:
    """Return what the examples of each client of a cohort count; 1 for an even participation.

    Args:
        cohort: The clients that are invited.
        updates: By client, how many of its updates counted in the run so far.
        num_clients: All enrolled clients.

    >>> realised_weights(["often", "seldom"], {"often": 15, "seldom": 3}, 2)
    {'often': 0.7, 'seldom': 1.75}
    """
    even = _PRIOR + sum(updates.values()) / num_clients
    weights = {client: even / (_PRIOR + updates.get(client, 0)) for client in cohort}
    return {client: min(max(weight, 1 / HEAVIEST), HEAVIEST) for client, weight in weights.items()}
