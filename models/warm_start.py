"""A first version that a user gives: read, and compared with the workload's own model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from common.errors import UpdateError, WorkloadError
from models.frozen import read_whole
from models.storable import dtype_name
from models.update import Signature, State, model_state, plain_name, signature_of

_MOST_NAMED = 3
"""Of tensors that do not fit; the rest is counted."""


def read_first_version(path: Path, model: nn.Module, find: Callable[[str], Path]) -> State:
    """Return the state in a safetensors file, which must hold what the model holds.

    Args:
        path: The file.
        model: A model of the workload; not changed.
        find: Returns where the frozen part of a name is, if the file names one.

    Raises:
        WorkloadError: If the file is no safetensors; if names, dtypes or shapes differ; or if a
            value of a parameter is not finite.
    """
    try:
        state = {plain_name(name): tensor for name, tensor in read_whole(path, find).items()}
    except UpdateError as error:
        msg = (
            "The model of --init-from is not a whole safetensors file "
            f"({error.__cause__}), so no run can begin from it. Write it with "
            "safetensors.torch.save_model."
        )
        raise WorkloadError(msg) from error
    own = signature_of(model_state(model))
    faults = [*_differences(signature_of(state), own), *_not_finite(state, model)]
    if faults:
        msg = (
            f"The model of --init-from {'; it '.join(faults)}; so no run can begin from it. Give "
            "one that was saved from the workload's own model."
        )
        raise WorkloadError(msg)
    return state


def _differences(found: Signature, own: Signature) -> list[str]:
    """Return what a state lacks, has too much, and holds in another form, each as a clause."""
    missing = [name for name in own if name not in found]
    extra = [name for name in found if name not in own]
    other = [
        f"{name} as {_form(found, name)} where the model has {_form(own, name)}"
        for name in own
        if name in found and found[name] != own[name]
    ]
    clauses = {
        "lacks": missing,
        "has, beyond the model,": extra,
        "holds": other,
    }
    return [f"{verb} {_listed(names)}" for verb, names in clauses.items() if names]


def _not_finite(state: State, model: nn.Module) -> list[str]:
    names = [
        name
        for name in map(plain_name, dict(model.named_parameters()))
        if name in state and not bool(torch.isfinite(state[name]).all())
    ]
    return [f"has values that are not finite in {_listed(names)}"] if names else []


def _form(signature: Signature, name: str) -> str:
    return f"{dtype_name(signature[name].dtype)} {list(signature[name].shape)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
