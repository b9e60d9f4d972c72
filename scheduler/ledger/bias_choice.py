"""How a run corrects the bias to clients that take part often, where its user leaves that open.

In an asynchronous run the mean of the latest model of each client (``memory``) is exact. Weights by
share (``capped``) take its place where it cannot be had. A synchronous run of the policy `fairwind`
weighs clients by realised participation (``realised``): the policy does not know who will be away.
Other policies weigh as they were published.
"""

from __future__ import annotations

from common.units import show_bytes
from scheduler.ledger.refused import refusal
from scheduler.ledger.run_spec import RunSpec


def is_open(spec: RunSpec) -> bool:
    """Return whether how a run corrects its bias is still to be chosen."""
    return spec.bias is None and (spec.is_async or spec.policy == "fairwind")


def choose_bias(
    spec: RunSpec,
    *,
    clients: int,
    version_nbytes: int | None,
    free_nbytes: int,
) -> tuple[RunSpec, str]:
    """Return a run with its bias correction chosen, and why, as a sentence.

    Args:
        spec: A run of which that `is_open`.
        clients: How many are enrolled.
        version_nbytes: Size of its model; `None` if that is not known.
        free_nbytes: What is free on the coordinator's disk.
    """
    if not spec.is_async:
        return _of_rounds(spec)
    fault = refusal({*spec.features, "bias", "bias memory"})
    models = f"the latest models of {clients} client{'s' * (clients != 1)}"
    if fault is not None:
        why = fault.partition(":")[0]
    elif version_nbytes is None:
        why = "the size of the model is not known, as no coordinator has answered"
    else:
        needed, free = clients * version_nbytes, show_bytes(free_nbytes)
        why = f"{models} take {show_bytes(needed)}, and {free} are free on the coordinator's disk"
        if needed <= free_nbytes:
            return spec.model_copy(update={"bias": "memory"}), f"Bias memory: {why}."
    return spec.model_copy(update={"bias": "capped"}), f"Bias capped: {why}."


def _of_rounds(spec: RunSpec) -> tuple[RunSpec, str]:
    fault = refusal({*spec.features, "bias realised"})
    if fault is None:
        why = "Bias realised: clients whose updates counted seldom so far weigh more."
        return spec.model_copy(update={"bias": "realised"}), why
    why = f"Bias none: {fault.partition(':')[0]}."
    return spec.model_copy(update={"bias": "none"}), why
