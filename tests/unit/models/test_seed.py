"""Seeds: all generators, whether or not there is a device beside the processor."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from models import seed


@pytest.mark.parametrize("devices", [True, False])
def test_the_same_seed_gives_the_same_draws(
    monkeypatch: pytest.MonkeyPatch, *, devices: bool
) -> None:
    monkeypatch.setattr(seed, "_has_known_devices", lambda: devices)

    def drawn() -> tuple[list[float], float, float]:
        seed.seed_generators(7)
        return torch.rand(3).tolist(), random.random(), np.random.rand()  # noqa: NPY002 - what user code may draw from

    assert drawn() == drawn()
    torch.manual_seed(7)
    assert drawn()[0] == torch.rand(3, generator=torch.Generator().manual_seed(7)).tolist()
