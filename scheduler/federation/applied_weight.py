"""Applied weight: whose data made a run's versions, against whose data there are. Pure.

Participation counts rounds. What a client's updates weighed in them may differ: policies weigh
rarely chosen clients more, and a round divides by what all its updates weigh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.federation.client import Client
from scheduler.federation.run import Run


@dataclass(frozen=True, slots=True)
class AppliedWeight:
    """How evenly the enrolled clients' examples made a run's versions.

    Attributes:
        jain: Jain's index of the weight of an example of each client; 1 if all are alike, 1/N if
            those of one client alone count (Jain, Chiu and Hawe, DEC-TR-301, 1984).
        total_variation: The part of the weight, from 0 to 1, that lies with other clients than the
            examples do: half the sum of |share of the weight - share of the examples|.
    """

    jain: float
    total_variation: float


def applied_weight(run: Run, clients: Mapping[str, Client]) -> AppliedWeight | None:
    """Return a run's applied weight; `None` before a round closed, or if examples are unknown.

    Args:
        run: The run.
        clients: Those enrolled; retired ones are left out unless they gave updates.
    """
    applied = run.closed.sums.weights
    members = [c for c in clients.values() if not c.retired or c.id in applied]
    return weight_by_examples(run, {c.id: c.num_examples for c in members})


def weight_by_examples(run: Run, examples: Mapping[str, int | None]) -> AppliedWeight | None:
    """Return a run's applied weight; `None` before a round closed, or if examples are unknown.

    Args:
        run: The run.
        examples: How many each client has, of all whose examples should count.
    """
    applied = shares(run)
    known = [count for count in examples.values() if count]
    if not applied or len(known) < len(examples):
        return None
    counts = [min(count, run.spec.weight_cap) for count in known]
    ours, all_ = [applied.get(client, 0.0) for client in examples], sum(counts)
    each = [share / count for share, count in zip(ours, counts, strict=True)]
    off = [abs(share - count / all_) for share, count in zip(ours, counts, strict=True)]
    square = sum(value * value for value in each)
    return AppliedWeight(sum(each) ** 2 / (len(each) * square), sum(off) / 2)


def shares(run: Run) -> dict[str, float]:
    """Return each client's share of the weight of versions, the greatest first; they sum to 1.

    It is the mean over all versions; where a version is the mean of the latest models, it is that
    of the newest one.
    """
    weights = run.closed.sums.weights
    if run.latest:
        weights = {client: float(line.weight) for client, line in run.latest.items()}
    total = sum(weights.values())
    ordered = sorted(weights, key=lambda client: (-weights[client], client))
    return {client: weights[client] / total for client in ordered}
