"""The coordinator's side of a workload: first versions, what an update must hold, and scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from common.errors import FairwindError, SettingError, WorkloadError
from common.verified import Verified
from common.workload_names import run_name
from common.workload_options import OptionsGiven
from models.configured import check_options, configured, options_key
from models.device import choose_device, release_memory
from models.evaluation import OnBatch, evaluate
from models.evaluators import coordinator_evaluates
from models.frozen import frozen_parameters, read_whole
from models.heap import trim_heap
from models.metric_values import Metrics
from models.model_factory import ModelFactory
from models.own_loop import brings
from models.personal import Layers, split_layers
from models.precision import check_masters
from models.privacy.unfit import unfit
from models.server_optimizers import make_server_optimizer
from models.update import Signature, State, delta_nbytes, trainable_parameters
from models.update_encoding import encoded_signature
from models.version import initial_version
from models.warm_start import read_first_version
from models.workload import Data, Workload, blamed, load_workload, states_lower
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.refused import refusal
from scheduler.ledger.run_spec import RunSpec


@dataclass(frozen=True, eq=False)
class _Bench:
    workload: Workload
    models: ModelFactory
    layers: dict[tuple[str, ...], Layers]
    parameters: frozenset[str]
    frozen: frozenset[str]
    test_data: Data | None


class Workbench:
    """Loads each workload once for each of its options, and keeps it at hand."""

    def __init__(self, allowed: Sequence[str], *, device: str = "cpu") -> None:
        """Prepare to load workloads; no device is used yet, as this process may still fork.

        Args:
            allowed: The names that may be loaded.
            device: Where versions are scored, as FAIRWIND_DEVICE names it.
        """
        self._allowed, self._named_device = allowed, device
        self._benches: dict[Hashable, _Bench] = {}
        self._first: tuple[_Bench, int, str | None, Metrics] | None = None
        self._verified = Verified()

    def warm_up(self) -> None:
        """Load what is allowed here. What cannot be loaded is reported when a run needs it."""
        for workload in self._allowed:
            with suppress(FairwindError):
                self._loaded(workload, {})

    def layers(self, spec: RunSpec) -> Layers:
        """Return which tensors of a run's model stay at the sites, and which travel.

        Raises:
            WorkloadError: If a pattern of its personal layers does not fit the model.
        """
        bench = self._bench(spec)
        if spec.personal not in bench.layers:
            bench.layers[spec.personal] = split_layers(bench.models.new(), spec.personal)
        return bench.layers[spec.personal]

    def signature(self, spec: RunSpec) -> Signature:
        """Return names, dtypes and shapes of what every update of a run must hold."""
        return self.layers(spec).shared

    def update_nbytes(self, spec: RunSpec) -> int:
        """Return the most bytes an update of this run may have."""
        return delta_nbytes(encoded_signature(self.signature(spec), spec.encoding))

    def version_nbytes(self, spec: RunSpec) -> int:
        """Return the size of a model of this run, as far as it is trained."""
        return delta_nbytes(self.signature(spec))

    def parameters(self, spec: RunSpec) -> frozenset[str]:
        """Return the names of the parameters that the server optimizer moves."""
        return self._bench(spec).parameters

    def frozen(self, spec: RunSpec) -> frozenset[str]:
        """Return the names of the parameters that no training changes."""
        return self._bench(spec).frozen

    def check_workload(self, spec: RunSpec) -> None:
        """Check that what a run asks for goes with its workload.

        Raises:
            SettingError: If it does not, or its server optimizer cannot be made.
            WorkloadError: If its options reach no function, or its model has none of the personal
                layers, nothing to train, or cannot be trained in the run's precision.
        """
        self.layers(spec)
        _check_trained(self._bench(spec), spec.workload)
        check_masters(self._bench(spec).models.new(), spec.hyperparameters.precision)
        if spec.hyperparameters.is_private:
            fault = unfit(self._bench(spec).workload, self._bench(spec).models.new())
            if fault is not None:
                raise WorkloadError(fault)
        chosen = spec.server_optimizer
        optimizer = make_server_optimizer(chosen.name, spec.options, **chosen.options)
        check_options(self._bench(spec).workload, spec.options, server_optimizer=optimizer)
        fault = refusal({*spec.features, *brings(self._bench(spec).workload)})
        if fault is not None:
            msg = f"{spec.workload} and the run's options do not go together: {fault}."
            raise SettingError(msg)

    def first_version(self, spec: RunSpec, blobs: Blobs) -> State:
        """Return a run's first version: the model it begins from, or a new one.

        The same seed gives a new one of the same bits.

        Raises:
            BlobError: If the bytes of the model it begins from are not there, or were altered.
            WorkloadError: If these are none of the workload's model.
        """
        bench = self._bench(spec)
        if spec.init_from is None:
            return initial_version(bench.workload, spec.seed)
        return read_first_version(blobs.whole(spec.init_from), bench.models.new(), blobs.whole)

    def first_metrics(
        self, spec: RunSpec, blobs: Blobs, *, on_batch: OnBatch = lambda _done, _all: None
    ) -> Metrics | None:
        """Return what a run's first version is worth here; `None` if its sites evaluate.

        Kept for the run that is opened after its check, as test data may be many.

        Raises:
            BlobError, WorkloadError: As `first_version` does, also where the sites evaluate.
        """
        bench, here = self._bench(spec), self.evaluates(spec)
        key = bench, spec.seed, spec.init_from
        if self._first is None or self._first[:3] != key or not here:
            state = self.first_version(spec, blobs)
            if not here or bench.test_data is None:
                return None
            self._first = *key, self._evaluated(bench, state, bench.test_data, on_batch=on_batch)
        return self._first[3]

    def lower_is_better(self, spec: RunSpec, metric: str) -> bool:
        """Return whether a workload states that less of a metric is better."""
        return states_lower(self._bench(spec).workload, metric)

    def evaluates(self, spec: RunSpec) -> bool:
        """Return whether the coordinator evaluates the versions of a run itself.

        Raises:
            WorkloadError: If those who are to evaluate have no data for it.
        """
        bench = self._bench(spec)
        return coordinator_evaluates(
            bench.workload, has_test_data=bench.test_data is not None, evaluate=spec.evaluators
        )

    def score(self, spec: RunSpec, version: str, blobs: Blobs) -> Metrics:
        """Return the loss and metrics of a version on the workload's test data.

        Raises:
            BlobError: If its bytes are not there, or were altered.
        """
        bench = self._bench(spec)
        if bench.test_data is None:
            return {}
        state = read_whole(blobs.whole(version), lambda name: self._frozen_part(name, blobs))
        return self._evaluated(bench, state, bench.test_data)

    def _frozen_part(self, name: str, blobs: Blobs) -> Path:
        """Return where a frozen part is: it is large, and compared once while it stays the same."""
        path = blobs.path(name)
        return path if self._verified.holds(path, name) else blobs.whole(name)

    def _evaluated(self, bench: _Bench, state: State, data: Data, **more: OnBatch) -> Metrics:
        try:
            return evaluate(bench.workload, bench.models.new(), state, data, **more)
        finally:
            release_memory(self._device)

    @cached_property
    def _device(self) -> torch.device:
        """Chosen when it is first needed: in the child that scores, after it was forked."""
        return choose_device(self._named_device).torch

    def _bench(self, spec: RunSpec) -> _Bench:
        return self._loaded(spec.workload, spec.options)

    def _loaded(self, name: str, options: OptionsGiven) -> _Bench:
        key = run_name(name), options_key(options)
        if key not in self._benches:
            workload = configured(load_workload(name, allowed=self._allowed), options)
            models = ModelFactory(workload, device=self._device, without_frozen=True)
            model = models.new()
            layers: dict[tuple[str, ...], Layers] = {(): split_layers(model, ())}
            parameters = trainable_parameters(model)
            with blamed(workload, "loading"):
                test_data = workload.test_data()
            self._benches[key] = _Bench(
                workload, models, layers, parameters, frozen_parameters(model), test_data
            )
            del model
            trim_heap()
        return self._benches[key]


def _check_trained(bench: _Bench, name: str) -> None:
    """Check that there is something to train; a loop of the user's may change buffers alone.

    Raises:
        WorkloadError: If there is not.
    """
    if not bench.parameters and "own loop" not in brings(bench.workload):
        msg = (
            f"The model of {name} has no parameter that is trained, so nothing can be learned. "
            "Let model() leave requires_grad on for some of its parameters."
        )
        raise WorkloadError(msg)
