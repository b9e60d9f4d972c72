"""Quotas: how often each client should take part, so that none is overused or forgotten.

R. Jain, D.-M. Chiu and W. Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
Allocation in Shared Computer Systems", DEC-TR-301, 1984. The index of N shares r_c that sum to 1:

    J(r) = (sum_c r_c)^2 / (N sum_c r_c^2) = 1 / (N sum_c r_c^2)

It is 1 if all take part equally often, and 1/N if one alone does.
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import Floats

HEAVIEST = 4.0
"""An update's examples count at most this many times, and at least one over it."""


def quotas(weights: Floats, fairness: float) -> Floats:
    """Return shares of participation as near to the weights as a Jain index allows.

    With p the weights scaled to sum to 1, they are the mixture r = (1-b) p + b/N with the least b
    in [0, 1] for which J(r) is at least `fairness`. Since r - 1/N = (1-b) (p - 1/N),

        1 / J(r) = 1 + (1-b)^2 (N sum_c p_c^2 - 1)

    so that b = 1 - sqrt((1/fairness - 1) / (N sum_c p_c^2 - 1)), or 0 if p is fair enough.

    Args:
        weights: How useful each client's participation is, finite, not negative, of any scale;
            shape `(num_clients,)`. If all are 0, all count alike.
        fairness: The least index, from 0 (any) to 1 (all alike).

    Returns:
        Shares that sum to 1, in the order of the weights; shape `(num_clients,)`.
    """
    num_clients = len(weights)
    if num_clients == 0 or not np.any(weights):
        return np.full(num_clients, 1.0 / max(num_clients, 1))
    p = weights / weights.max()  # first, so that no sum overflows
    p /= p.sum()
    excess = num_clients * float(p @ p) - 1.0
    most = 1.0 / fairness - 1.0 if fairness > 0.0 else np.inf
    kept = 1.0 if excess <= most else float(np.sqrt(most / excess))
    shares: Floats = kept * p + (1.0 - kept) / num_clients
    return shares


def undoing_weights(shares: Floats) -> Floats:
    """Return the weight of each client's examples, so that rarely chosen ones are not forgotten.

    One over the share, by Horvitz and Thompson (1952), within `HEAVIEST`: 1 for an even share.

    Args:
        shares: Of participation, above 0; they sum to 1; shape `(num_clients,)`.
    """
    weights: Floats = np.clip(1 / (len(shares) * shares), 1 / HEAVIEST, HEAVIEST)
    return weights


def capped(shares: Floats, most: float) -> Floats:
    """Return shares of which none exceeds a limit; the rest goes to the others.

    They get it in proportion to their own, so that Jain's index only grows. A limit below the even
    share cannot be kept: then all are even.

    Args:
        shares: They sum to 1; shape `(num_clients,)`.
        most: The limit, above 0.

    Returns:
        Shares that sum to 1, in the order of those given; shape `(num_clients,)`.
    """
    found, full = shares.copy(), np.zeros(len(shares), bool)
    while (found > most * (1.0 + 1e-9)).any():
        full |= found > most
        rest = shares[~full].sum()
        # Shares that small no longer have all their digits, and would not sum to 1.
        if rest < np.finfo(np.float64).tiny or full.sum() * most >= 1.0:
            return np.full(len(shares), 1.0 / len(shares))
        found[full] = most
        found[~full] = shares[~full] * (1.0 - full.sum() * most) / rest
    return found
