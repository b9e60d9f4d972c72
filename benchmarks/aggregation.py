"""What the exact mean of updates takes, against a plain sum in float64 of the same files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.timing import least_s
from models.aggregation import Contribution, weighted_mean
from models.serialization import read_state, write_state
from models.tensor_file import TensorSpec
from models.training import warm_up

_NUM_VALUES = 10_000_000
_NUM_UPDATES = 4
_REPEATS = 3
_DTYPES = torch.float32, torch.bfloat16, torch.float64
_WEIGHTS = {
    "equal weights": [1] * _NUM_UPDATES,
    "weights of a policy": [987 * 9_001, 1_013 * 8_999, 16_000 * 7_919, 63 * 10_007],
}


def measure_aggregation() -> None:
    """Print seconds of means, on one core; the least of three."""
    warm_up(1)
    print(f"\nthe mean of {_NUM_UPDATES} updates of {_NUM_VALUES / 1e6:.0f} M values, one core")
    for dtype in _DTYPES:
        with TemporaryDirectory() as folder:
            paths = _write(Path(folder), dtype)
            for name, weights in _WEIGHTS.items():
                updates = [Contribution(p, w) for p, w in zip(paths, weights, strict=True)]
                exact_s = least_s(partial(_exact, updates, dtype), repeats=_REPEATS)
                plain_s = least_s(partial(_plain, updates), repeats=_REPEATS)
                called = str(dtype).removeprefix("torch.")
                print(f"  {called:9} {name:20} exact {exact_s:6.3f} s   plain {plain_s:6.3f} s")


def _write(folder: Path, dtype: torch.dtype) -> list[Path]:
    """Write updates as training makes them: differences of values around 0.05."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(_NUM_VALUES, generator=generator) * 0.05
    paths = [folder / str(number) for number in range(_NUM_UPDATES)]
    for path in paths:
        change = torch.randn(_NUM_VALUES, generator=generator) * 1e-3
        write_state({"w": ((base + change) - base).to(dtype)}, path)
    return paths


def _exact(updates: list[Contribution], dtype: torch.dtype) -> None:
    signature = {"w": TensorSpec(dtype, (_NUM_VALUES,))}
    for _ in weighted_mean(updates, signature, norm_bound=1000.0):
        pass


def _plain(updates: list[Contribution]) -> None:
    total = torch.zeros(_NUM_VALUES, dtype=torch.float64)
    for update in updates:
        total.add_(read_state(update.path)["w"], alpha=update.weight)
    total.div_(sum(update.weight for update in updates))
