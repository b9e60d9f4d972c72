"""The frozen part of a model: parameters that no training changes, kept apart from versions.

A version's file holds what training changes, and names in its header the file of the frozen part.
So the name of a version stands for the whole model, and what never changes is stored and sent once:
Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
https://arxiv.org/abs/2106.09685, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from torch import nn

from common.errors import UpdateError
from common.files import file_sha256
from models.serialization import frozen_name, read_state, write_state
from models.update import State, named_tensors

_MOST_NAMED = 3


def frozen_parameters(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that training does not change, tied weights once."""
    return frozenset(
        name
        for name, tensor in named_tensors(model).items()
        if isinstance(tensor, nn.Parameter) and not tensor.requires_grad
    )


def write_version(
    state: State, frozen: Collection[str], folder: Path
) -> tuple[Path, tuple[Path, str] | None]:
    """Write a whole model as a version, and its frozen part apart from it.

    Args:
        state: The whole model.
        frozen: The names of its frozen parameters.
        folder: Where to write.

    Returns:
        The version's file; and the frozen part's with its SHA-256, `None` if nothing is frozen.
    """
    version, part = folder / "version", folder / "frozen"
    if not frozen:
        write_state(state, version)
        return version, None
    write_state({name: tensor for name, tensor in state.items() if name in frozen}, part)
    digest = file_sha256(part)
    write_state(trained_part(state, frozen), version, frozen=digest)
    return version, (part, digest)


def trained_part(state: State, frozen: Collection[str]) -> State:
    """Return a model without its frozen parameters."""
    return {name: tensor for name, tensor in state.items() if name not in frozen}


def read_whole(version: Path, find: Callable[[str], Path]) -> State:
    """Return the whole model of a version; its tensors are mapped from the files.

    Args:
        version: Its file, or that of a model which was never divided.
        find: Returns where the frozen part of a name is; called only if the version names one.

    Raises:
        UpdateError: If a file is no whole safetensors file.
    """
    state, named = read_state(version), frozen_name(version)
    return state if named is None else {**read_state(find(named)), **state}


def check_frozen(own: Collection[str], frozen: Collection[str]) -> None:
    """Check that a site's model freezes what the coordinator's does.

    Args:
        own: The names of the site's frozen parameters.
        frozen: Those of the coordinator's.

    Raises:
        UpdateError: If it does not.
    """
    apart = frozenset(own) ^ frozenset(frozen)
    if apart:
        named = sorted(apart)
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        msg = (
            f"The site's model does not freeze the same parameters as the coordinator's "
            f"({', '.join(named[:_MOST_NAMED])}{more}), so it was not trained. Use the "
            "coordinator's workload at the site."
        )
        raise UpdateError(msg)
