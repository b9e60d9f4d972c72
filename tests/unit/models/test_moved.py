"""Batches on another device, however they nest their tensors."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from models.moved import moved, moved_model

META = torch.device("meta")


def there() -> Tensor:
    return torch.ones(2)


class Pair(NamedTuple):
    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Scan:
    voxels: Tensor
    spacing_mm: float


class Encoding(UserDict[str, Tensor]):
    """As a tokenizer returns it: a mapping that moves itself, in place."""

    def to(self, device: torch.device) -> Encoding:
        self.data = {name: tensor.to(device) for name, tensor in self.data.items()}
        return self


@pytest.mark.parametrize(
    "batch",
    [
        there(),
        (there(), there()),
        [there(), [there()]],
        {"ids": there(), "more": {"mask": (there(),)}},
        OrderedDict(ids=there()),
        defaultdict(there, ids=there()),
        UserDict(ids=there()),
        MappingProxyType({"ids": there()}),
        Pair(there(), there()),
        Scan(there(), 0.5),
        Encoding(ids=there()),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_every_tensor_is_moved_wherever_it_is_nested(batch: Any) -> None:
    found = moved(batch, META)
    assert isinstance(found, type(batch) if type(batch) is not MappingProxyType else dict)
    assert {tensor.device for tensor in tensors(found)} == {META}
    assert len(tensors(found)) > 0


def test_what_is_no_tensor_stays_as_it_is() -> None:
    batch = ["a name", 3, None, {"path": b"scan.nii"}]
    assert moved(batch, META) == batch


def test_the_given_containers_are_not_changed() -> None:
    batch = {"ids": [there()], "more": OrderedDict(mask=there())}
    moved(batch, META)
    assert {tensor.device.type for tensor in tensors(batch)} == {"cpu"}


def test_a_tensor_that_is_there_is_not_copied() -> None:
    tensor = there()
    assert moved((tensor,), torch.device("cpu"))[0] is tensor


def tensors(batch: Any) -> list[Tensor]:
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, Scan):
        return [batch.voxels]
    parts = batch.values() if hasattr(batch, "values") else batch
    return [t for part in parts if not isinstance(part, str | bytes | int) for t in tensors(part)]


class Halves(nn.Module):
    """Two modules that share a weight and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(2, 2), nn.Linear(2, 2)
        self.right.weight = self.left.weight
        seen = torch.zeros(3)
        self.left.register_buffer("seen", seen)
        self.right.register_buffer("seen", seen)
        self.right.register_buffer("unset", None)


def test_what_a_model_shares_it_shares_on_the_device_too() -> None:
    model: Any = moved_model(Halves(), META)
    assert {tensor.device for tensor in (*model.parameters(), *model.buffers())} == {META}
    assert model.left.seen is model.right.seen
    assert model.left.weight is model.right.weight
    assert len(list(model.buffers())) == 1
