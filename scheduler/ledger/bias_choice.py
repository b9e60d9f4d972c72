"""How an asynchronous run corrects the bias to fast clients, where its user leaves that open.

The mean of the latest model of each client (``memory``) is exact. Weights by share (``capped``)
take its place where it cannot be had.
"""

from __future__ import annotations

from common.units import show_bytes
from scheduler.ledger.refused import refusal
from scheduler.ledger.run_spec import RunSpec


def is_open(spec: RunSpec) -> bool:
    """Return whether how a run corrects its bias is still to be chosen."""
    return spec.is_async and spec.bias is None


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
