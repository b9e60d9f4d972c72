"""The coordinator's side of a workload: first versions, what an update must hold, and scores."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from common.errors import FairwindError
from models.evaluation import evaluate
from models.serialization import read_state
from models.update import Signature, State, delta_nbytes, delta_signature, trainable_parameters
from models.version import initial_version
from models.workload import Data, Workload, blamed, load_workload


@dataclass(frozen=True)
class _Bench:
    workload: Workload
    model: nn.Module
    signature: Signature
    parameters: frozenset[str]
    test_data: Data | None


class Workbench:
    """Loads each workload once and keeps it at hand."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = allowed
        self._benches: dict[str, _Bench] = {}

    def warm_up(self) -> None:
        """Load what is allowed here. What cannot be loaded is reported when a run needs it."""
        for workload in self._allowed:
            with suppress(FairwindError):
                self._bench(workload)

    def signature(self, workload: str) -> Signature:
        """Return names, dtypes and shapes of what every update of this workload must hold."""
        return self._bench(workload).signature

    def update_nbytes(self, workload: str) -> int:
        """Return the most bytes an update of this workload may have."""
        return delta_nbytes(self.signature(workload))

    def parameters(self, workload: str) -> frozenset[str]:
        """Return the names of the parameters that the server optimizer moves."""
        return self._bench(workload).parameters

    def first_version(self, workload: str, seed: int) -> State:
        """Return the state of a new model; the same seed gives the same bits."""
        return initial_version(self._bench(workload).workload, seed)

    def has_test_data(self, workload: str) -> bool:
        """Return whether the coordinator can score versions itself."""
        return self._bench(workload).test_data is not None

    def score(self, workload: str, version: Path) -> dict[str, float]:
        """Return the loss and metrics of a version on the workload's test data."""
        bench = self._bench(workload)
        if bench.test_data is None:
            return {}
        return evaluate(bench.workload, bench.model, read_state(version), bench.test_data)

    def _bench(self, name: str) -> _Bench:
        if name not in self._benches:
            workload = load_workload(name, allowed=self._allowed)
            with blamed(workload, "loading"):
                model, test_data = workload.model(), workload.test_data()
            self._benches[name] = _Bench(
                workload, model, delta_signature(model), trainable_parameters(model), test_data
            )
        return self._benches[name]
