"""What of a receipt leaves the site, by its policy: metrics by name, counts exact or bucketed."""

from __future__ import annotations

from common.messages import Assignment, Receipt
from tasks.site.site_policy_in_force import SitePolicy

_FIGURES = ("loss", "utility", "flops_per_example")
"""Figures of a training beside its metrics; the last grows with the length of the examples."""


def bucket(count: int) -> int:
    """Return a count rounded down to a power of two.

    >>> [bucket(count) for count in (0, 1, 3, 4, 1000)]
    [0, 1, 2, 4, 512]
    """
    return 1 << (count.bit_length() - 1) if count > 0 else 0


def _without_figures(receipt: Receipt) -> Receipt:
    return receipt.model_copy(update={"metrics": {}, "num_held_out": 0, **dict.fromkeys(_FIGURES)})


def leaving(receipt: Receipt, policy: SitePolicy, assignment: Assignment) -> Receipt:
    """Return a receipt with nothing but what may leave.

    With bucketed counts an update weighs at most what its examples are worth, and more than half of
    it. The number of steps would give the count away, so it leaves only where the run itself names
    it; the utility, which grows with the count, is scaled to the bucket. No figure leaves of a
    private training, as no noise covers it.
    """
    if assignment.is_private:
        receipt = _without_figures(receipt)
    changes: dict[str, object] = {"policy": policy.version}
    if policy.metrics is not None:
        kept = {name: v for name, v in receipt.metrics.items() if name in policy.metrics}
        changes["metrics"] = kept
        changes |= {name: None for name in _FIGURES if name not in policy.metrics}
    if policy.counts == "bucketed" and receipt.num_examples + receipt.num_held_out > 0:
        count = bucket(receipt.num_examples)
        changes |= {"num_examples": count, "num_held_out": bucket(receipt.num_held_out)}
        if assignment.hyperparameters.steps is None:
            changes["num_steps"] = None
        if receipt.utility is not None and receipt.num_examples and "utility" not in changes:
            changes["utility"] = receipt.utility * count / receipt.num_examples
    return receipt.model_copy(update=changes)
