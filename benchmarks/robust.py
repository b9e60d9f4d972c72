"""What robust rules take on many large updates, beside the reading of their files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.timing import least_cpu_s
from common.robust import parse_robust
from models.aggregation import Contribution, weighted_mean
from models.robust.robust_mean import robust_mean
from models.robust.rows import FileRows
from models.serialization import write_state
from models.tensor_file import TensorSpec
from models.training import warm_up

_NUM_VALUES = 10_000_000
_NUM_UPDATES = 50
_RULES = (
    "nnm-trimmed:10", "trimmed:10", "median", "krum:10", "multi-krum:10", "geometric-median",
    "centered-clipping",
)  # fmt: skip
_BOUND = 1000.0
_SIGNATURE = {"w": TensorSpec(torch.float32, (_NUM_VALUES,))}


def measure_robust() -> None:
    """Print CPU seconds of each rule, all threads together, reading apart; one run of each."""
    warm_up(1)
    print(f"\n{_NUM_UPDATES} updates of {_NUM_VALUES / 1e6:.0f} M values, CPU seconds")
    with TemporaryDirectory() as folder:
        paths = _write(Path(folder))
        reading_s = least_cpu_s(partial(_read, paths), repeats=2)
        print(f"  {'reading once':18} {reading_s:6.2f} s")
        mean_s = least_cpu_s(partial(_mean, paths), repeats=1)
        print(f"  {'mean':18} {mean_s - reading_s:6.2f} s besides reading once")
        for rule in _RULES:
            taken_s = least_cpu_s(partial(_combine, paths, rule), repeats=1)
            print(f"  {rule:18} {taken_s - 2 * reading_s:6.2f} s besides reading twice")


def _write(folder: Path) -> list[Path]:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(_NUM_VALUES, generator=generator) * 1e-3
    paths = [folder / str(number) for number in range(_NUM_UPDATES)]
    for path in paths:
        own = torch.randn(_NUM_VALUES, generator=generator) * 1e-3
        write_state({"w": common + own}, path)
    return paths


def _read(paths: list[Path]) -> None:
    with FileRows(paths, _SIGNATURE) as rows:
        for piece in _SIGNATURE["w"].pieces():
            rows.read("w", piece, range(len(paths)))


def _mean(paths: list[Path]) -> None:
    updates = [Contribution(path, 1) for path in paths]
    for _ in weighted_mean(updates, _SIGNATURE, norm_bound=_BOUND):
        pass


def _combine(paths: list[Path], rule: str) -> None:
    with FileRows(paths, _SIGNATURE) as rows:
        robust_mean(rows, parse_robust(rule), norm_bound=_BOUND)
