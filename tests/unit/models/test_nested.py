"""Nested values: batches are joined in their order, and their examples are counted."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from models.nested import joined, num_rows


@dataclass
class Output(OrderedDict[str, Any]):
    """A mapping with attributes, as transformers' ModelOutput is."""

    loss: Any = None
    logits: Any = None

    def __post_init__(self) -> None:
        for name, value in (("loss", self.loss), ("logits", self.logits)):
            if value is not None:
                self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)


def test_outputs_of_batches_become_those_of_the_whole_set() -> None:
    parts = [
        Output(loss=torch.tensor(2.0), logits=torch.zeros(3, 2)),
        Output(loss=torch.tensor(5.0), logits=torch.ones(1, 2)),
    ]
    found = joined(parts, [3, 1])
    assert isinstance(found, Output)
    assert found.loss.item() == 2.75  # (3 * 2 + 1 * 5) / 4
    assert found.logits.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]
    assert joined([(torch.zeros(1), "a"), (torch.ones(1), "b")], [1, 1])[1] is None


def test_outputs_of_other_lengths_cannot_be_joined() -> None:
    with pytest.raises(RuntimeError):
        joined([torch.zeros(1, 3), torch.zeros(1, 4)], [1, 1])
    with pytest.raises(ValueError, match="shorter"):
        joined([[torch.zeros(1)] * 2, [torch.zeros(1)]], [1, 1])


@pytest.mark.parametrize(
    ("batch", "rows"),
    [
        (torch.zeros(4, 2), 4),
        ((torch.zeros(4, 2), torch.zeros(4)), 4),
        ([torch.zeros(4, 2), [torch.zeros(4), torch.zeros(4, 7)]], 4),
        ({"ids": torch.zeros(4, 9), "temperature": torch.tensor(0.5)}, 4),
        (UserDict(ids=torch.zeros(4, 9)), 4),
        # a detector's: images, and boxes of each
        (((torch.zeros(3, 8), torch.zeros(3, 9)), ({"b": torch.ones(1)}, {"b": torch.ones(6)})), 2),
        ((["a", "b", "c"], [0, 1, 1]), 3),
        ((torch.zeros(4), torch.zeros(5)), None),
        ("text", None),
    ],
)  # fmt: skip
def test_the_number_of_examples_is_seen_or_unknown(batch: Any, rows: int | None) -> None:
    assert num_rows(batch) == rows
