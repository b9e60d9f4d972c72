"""What encodings of updates cost and save: bytes, CPU seconds, network energy and accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from benchmarks.timing import least_cpu_s
from common.errors import FairwindError
from common.settings import Settings
from models.error_feedback import encode_update
from models.update import State, delta_nbytes, delta_signature, signature_of
from models.update_encoding import decoded, encoded_signature
from models.workload import load_workload
from simulation.run import simulate
from simulation.study.federations import FLAT, clients, federation

_WORKLOADS = {"digits": "accuracy", "pneumoniamnist": "accuracy", "breast_cancer": "accuracy"}
"""Workloads of the study that train in minutes, and the metric of each."""

_SEEDS = range(1, 6)
_CLIENTS, _ROUNDS, _LAST = 10, 60, 10
_TIMED_VALUES = 10_000_000
_PERCENT, _MILLI = 100, 1000


@dataclass(frozen=True, slots=True)
class Case:
    """An encoding, and whether its error is fed back."""

    encoding: str
    error_feedback: bool

    @property
    def name(self) -> str:
        """What its row is called."""
        return self.encoding + (", error feedback" if self.error_feedback else "")


CASES = (
    Case("float32", error_feedback=False),
    Case("bfloat16", error_feedback=False),
    Case("mxint8", error_feedback=False),
    Case("mxint8", error_feedback=True),
    Case("topk:0.1", error_feedback=True),
    Case("topk:0.01", error_feedback=True),
    Case("topk:0.01", error_feedback=False),
)


def measure_encodings() -> None:
    """Print each encoding's cost for one large update, and its accuracy on the workloads."""
    print(f"\nencodings, CPU seconds on one core, {_TIMED_VALUES / 1e6:g} M values")
    for case in CASES:
        _print_cost(case)
    for workload, metric in _WORKLOADS.items():
        print(
            f"\n{workload}, {_CLIENTS} clients (Dirichlet 0.5), {metric} in % over the last "
            f"{_LAST} of {_ROUNDS} rounds, mean of {len(_SEEDS)} seeds, and bytes of an update"
        )
        try:
            for case in CASES:
                _print_accuracy(case, workload, metric)
        except FairwindError as error:
            print(f"  not measured: {error}")


def _print_cost(case: Case) -> None:
    generator = torch.Generator().manual_seed(1)
    delta: State = {"w": torch.randn(_TIMED_VALUES, generator=generator) * 1e-3}
    before: State = {"error_feedback/w": torch.zeros(_TIMED_VALUES)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def encode() -> State:
        return encode_update(
            delta, case.encoding, seed=1, error_feedback=case.error_feedback, memory=before,
            age_rounds=1,
        ).tensors  # fmt: skip

    sent = encode()
    encode_s = least_cpu_s(encode, repeats=5)
    decode_s = least_cpu_s(lambda: decoded(sent, signature_of(delta)), repeats=5)
    torch.set_num_threads(threads)
    nbytes = delta_nbytes(encoded_signature(signature_of(delta), case.encoding))
    network_mwh = nbytes / 1e9 * Settings().network_kwh_per_gb * 1e3 * _MILLI
    print(
        f"  {case.name:<25} {nbytes / _TIMED_VALUES:6.3f} B a value  {nbytes / 1e6:6.2f} MB  "
        f"encode {encode_s:.3f} s  decode {decode_s:.3f} s  network {network_mwh:6.3f} mWh"
    )


def _print_accuracy(case: Case, workload: str, metric: str) -> None:
    model = load_workload(workload, allowed=(workload,)).model()
    nbytes = delta_nbytes(encoded_signature(delta_signature(model), case.encoding))
    all_of, some = (
        mean(_last(case, workload, metric, seed, cohort) for seed in _SEEDS) for cohort in (None, 3)
    )
    print(
        f"  {case.name:<25} all take part {all_of * _PERCENT:6.2f}   3 of {_CLIENTS} "
        f"{some * _PERCENT:6.2f}   {nbytes:>7,} B"
    )


def _last(case: Case, workload: str, metric: str, seed: int, cohort: int | None) -> float:
    """Return a run's mean metric over its last rounds."""
    asked: dict[str, Any] = {
        "policy": "all" if cohort is None else "random", "cohort": cohort, "quorum": 1,
        "rounds": _ROUNDS, "hours": None, "encoding": case.encoding,
        "error_feedback": case.error_feedback,
    }  # fmt: skip
    scenario = federation(
        "encodings", FLAT, clients(("FR",), _CLIENTS), workload=workload, **asked
    ).altered(seed=seed)
    rounds = simulate(scenario).rounds[-_LAST:]
    return mean(each.metrics[metric] for each in rounds)
