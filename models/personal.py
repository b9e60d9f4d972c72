"""Personal layers: tensors that each site trains and keeps, and that no update holds.

FedPer: Arivazhagan, Aggarwal, Singh and Choudhary, "Federated Learning with Personalization
Layers", 2019, https://arxiv.org/abs/1912.00818, where the last layers stay. FedBN: Li, Jiang,
Zhang, Kamp and Dou, "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization",
ICLR 2021, https://arxiv.org/abs/2102.07623, where normalisation layers do, statistics included.

A site starts from what its last update that counted has left, and at first from the values in the
first version: no later version changes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from torch import Tensor, nn

from common.errors import WorkloadError
from common.personal import NORM
from models.memory import Memory, part
from models.update import Signature, State, delta_signature, plain_name

KIND = "personal"
"""What a site's memory calls its own layers."""

DITTO = "ditto"
"""What a site's memory calls its own model beside the global one."""

_NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    nn.LayerNorm, nn.GroupNorm, nn.RMSNorm,
)  # fmt: skip

_NAMED = 8
"""So many names of a model's tensors are suggested."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The tensors of a model by where they are trained for.

    Attributes:
        personal: Names of those that stay at the sites, integer buffers among them.
        shared: What an update holds: the others.
        num_params: Numbers in the personal ones.
    """

    personal: frozenset[str]
    shared: Signature
    num_params: int


def split_layers(model: nn.Module, patterns: Sequence[str]) -> Layers:
    """Return which tensors of a model stay at the sites, and which travel.

    Frozen parameters are in neither: they stay those of the first version. A tensor with several
    names (tied weights) stays if a pattern matches one of them.

    Args:
        model: Any model of the workload; not changed.
        patterns: The run's; none for no personal layers.

    Raises:
        WorkloadError: If one of the patterns matches nothing that is trained, or all of it is
            matched.
        UpdateError: If a version cannot hold the model's state.
    """
    whole = delta_signature(model)
    if not patterns:
        return Layers(frozenset(), whole, 0)
    names = _names(model)
    normal = _normal(model) if NORM in patterns else frozenset()
    found: dict[str, int] = {}
    for pattern in patterns:
        matched = {
            first: tensor.numel()
            for first, (tensor, aliases) in names.items()
            if (aliases & normal if pattern == NORM else _matches(aliases, pattern))
        }
        if not matched.keys() & whole.keys():
            raise WorkloadError(_no_match(pattern, list(whole)))
        found |= matched
    shared = {name: spec for name, spec in whole.items() if name not in found}
    if not shared:
        msg = (
            f"--personal {','.join(patterns)} matches all that is trained, so nothing would be "
            f"learned together. Leave out some of it: the model has {_listed(whole)}."
        )
        raise WorkloadError(msg)
    return Layers(frozenset(found), MappingProxyType(shared), sum(found.values()))


def own_model(base: State, memory: Memory) -> State:
    """Return a site's own model: a version, and over it what the site keeps for itself.

    Args:
        base: A version's state; not changed.
        memory: What the site remembers; empty before its first update.
    """
    return {**base, **part(memory, KIND), **part(memory, DITTO)}


def trained_state(model: nn.Module, names: Collection[str]) -> State:
    """Return copies of some of a model's tensors, under their first names."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, (tensor, _) in _names(model).items()
        if name in names
    }


def changing(model: nn.Module) -> frozenset[str]:
    """Return the names of all tensors that training may change: all but frozen parameters."""
    return frozenset(_names(model))


def _names(model: nn.Module) -> dict[str, tuple[Tensor, frozenset[str]]]:
    """Return each tensor that is not frozen under its first name, with all its names."""
    found: dict[int, tuple[Tensor, list[str]]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, nn.Parameter) and not tensor.requires_grad:
            continue
        if isinstance(tensor, Tensor):
            found.setdefault(id(tensor), (tensor, []))[1].append(plain_name(name))
    return {names[0]: (tensor, frozenset(names)) for tensor, names in found.values()}


def _normal(model: nn.Module) -> frozenset[str]:
    """Return the names of the tensors of normalisation layers."""
    return frozenset(
        plain_name(f"{prefix}.{name}" if prefix else name)
        for prefix, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, _NORMS)
        for name in module.state_dict()
    )


def _matches(names: Collection[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _no_match(pattern: str, names: Sequence[str]) -> str:
    what = f"--personal {pattern} matches nothing that is trained"
    if pattern == NORM:
        what = "--personal norm finds no normalisation layer of torch that is trained"
    inside = [name for name in names if name.startswith(f"{pattern}.")]
    fits = f"{pattern}.*" if inside else f"{names[-1].rpartition('.')[0] or names[-1]}*"
    return (
        f"{what}, so nothing would stay at the sites. The model has {_listed(names)}: write for "
        f"instance --personal '{fits}', or leave it out."
    )


def _listed(names: Collection[str]) -> str:
    first = list(names)[:_NAMED]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
