"""What the benchmark of leaks draws and separates, on cases known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.inversion import quotients, share_drawn
from benchmarks.leaks import CASES, measured
from benchmarks.membership import separation
from models.version import initial_version
from models.workload import load_workload


def test_the_record_of_a_single_step_is_drawn_exactly() -> None:
    digits = load_workload("digits", allowed=("digits",))
    picture, label = digits.train_examples()[:1]  # type: ignore[attr-defined]
    model = digits.model()
    names, parameters = zip(*model.named_parameters(), strict=True)
    slopes = torch.autograd.grad(digits.loss(model(picture), label), parameters)
    gradient = dict(zip(names, slopes, strict=True))
    torch.testing.assert_close(
        quotients(gradient)[0].float(), picture[0], atol=1e-4, rtol=1e-4
    )  # fmt: skip
    assert share_drawn(gradient, picture) == 1.0


def test_nothing_is_drawn_from_no_change() -> None:
    assert share_drawn({"w": torch.zeros(3, 4), "b": torch.zeros(3)}, torch.rand(2, 4)) == 0.0


def test_a_change_by_which_nothing_moves_tells_nothing_apart() -> None:
    digits = load_workload("digits", allowed=("digits",))
    base = initial_version(digits, 1)
    still = {name: torch.zeros_like(tensor) for name, tensor in base.items()}
    examples = digits.train_examples()  # type: ignore[attr-defined]
    found = separation(digits, base, still, examples[:10], examples[10:50])
    assert [each.auc for each in found] == [0.5, 0.5]
    assert [each.tpr for each in found] == [0.0, 0.0]


def test_one_record_is_recognised_and_fifty_of_twenty_sites_hardly() -> None:
    one = measured(CASES[0], 1)
    many = measured(replace(CASES[-1], sites=20), 1)
    assert one.drawn == 1.0
    assert [score.auc for score in one.recognised] == pytest.approx([1.0, 1.0], abs=0.05)
    assert many.drawn < 0.2
    assert np.mean([score.auc for score in many.recognised]) < 0.7
