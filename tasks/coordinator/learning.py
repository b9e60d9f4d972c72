"""The engine's learning in production: blobs on disk, and the workloads' own models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from common.disk import writing_to
from common.errors import BlobError, SettingError, UpdateError
from common.failpoints import failpoint
from common.files import syncing, write_chunks
from common.messages import BlobRef, Receipt, update_key
from models.aggregation import Contribution
from models.frozen import write_version
from models.heap import trim_heap
from models.metric_values import Metrics
from models.server_optimizers import make_server_optimizer
from models.update import check_update
from models.update_encoding import encoded_signature
from models.version import Made, make_version
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.rounds.robust_figures import figures_of
from scheduler.rounds.world import Admitted, FirstVersion, LostUpdatesError, NextVersion
from tasks.coordinator.control_variates import next_controls
from tasks.coordinator.deaths import survived
from tasks.coordinator.export import export_models
from tasks.coordinator.frozen_parts import frozen_ref
from tasks.coordinator.meanwhile import checking
from tasks.coordinator.work import model_ref
from tasks.coordinator.workbench import Workbench
from tasks.messaging.transport import Transport, altered, forget, intact, received


class BlobLearning:
    """Admits updates into the blob store, and makes, scores and exports versions from it.

    Args:
        blobs: Where all versions and updates are.
        transport: Where updates arrive.
        workbench: Knows the workloads.
        home: The folder that gets ``runs/<run>`` with a run's best and its last version.
        max_update_nbytes: No larger update is fetched.
    """

    def __init__(
        self,
        blobs: Blobs,
        transport: Transport,
        workbench: Workbench,
        *,
        home: Path,
        max_update_nbytes: int,
    ) -> None:
        self._blobs = blobs
        self._transport = transport
        self._workbench = workbench
        self._home, self._begun = home, home / "begun"
        self._max_update_nbytes = max_update_nbytes

    def open(self, run: Run) -> FirstVersion:
        """Make a run's first version, and evaluate it; the same run gives the same bits."""
        with survived(self._begun, run.id):
            first = self._open(run)
        trim_heap()  # the first version, and a model it was loaded into
        return first

    def _open(self, run: Run) -> FirstVersion:
        self._workbench.check_workload(run.spec)  # refused now, not after a round
        state = self._workbench.first_version(run.spec, self._blobs)
        with (
            writing_to(self._blobs.folder, "its first version"),
            self._blobs.workspace() as folder,
        ):
            path, part = write_version(state, self._workbench.frozen(run.spec), folder)
            if part is not None and self._blobs.fault(part[1]):
                self._blobs.keep(*part)
            version = self._blobs.keep(path)
        layers = self._workbench.layers(run.spec)
        return FirstVersion(
            version=version,
            frozen=part[1] if part else None,
            num_params=sum(tensor.numel() for tensor in state.values()),
            scored_here=self._workbench.evaluates(run.spec),
            metrics=self._workbench.first_metrics(run.spec, self._blobs),
            lower_is_better=self._workbench.lower_is_better(run.spec, run.spec.metric),
            personal=tuple(sorted(layers.personal)),
            num_personal=layers.num_params,
        )

    def pulled_nbytes(self, run: Run) -> int:
        """Return the size of what a site pulls, the model and the correction of its gradients.

        All versions of a run are of one size.
        """
        model = model_ref(self._blobs, run.version).nbytes if run.version else 0
        evaluates = run.open_round is not None and run.open_round.evaluates
        if run.controls.server is None or evaluates:
            return model
        # A correction has the tensors of a control variate.
        return model + self._blobs.nbytes(run.controls.server)

    def most_frozen_nbytes(self, run: Run) -> int:
        """Return the size of the frozen part of a run's model, 0 if it has none."""
        return self._blobs.nbytes(run.frozen) if run.frozen else 0

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Receive an update's bytes, check them, and keep them as a blob.

        Raises:
            TransportError: If they are missing, or are not those the receipt names.
            StorageError: If the disk is full.
            SettingError: If our own limit is too small for updates of the model.
            UpdateError: If they are, but are not an update that counts.
        """
        ref = receipt.update
        if ref is None or ref.key != update_key(receipt):
            msg = f"The receipt names no bytes of {receipt.client}'s own, so it is not counted."
            raise UpdateError(msg)
        limit = self._workbench.update_nbytes(run.spec)
        if self._max_update_nbytes < ref.nbytes <= limit:
            msg = (
                f"The updates of {run.id} have {ref.nbytes} bytes, and FAIRWIND_MAX_UPDATE_BYTES "
                f"allows {self._max_update_nbytes}, so none is received. Raise it and restart the "
                "coordinator; then they are received."
            )
            raise SettingError(msg)
        if ref.nbytes > limit:
            msg = (
                f"The update of {receipt.client} has {ref.nbytes} bytes where the model allows "
                f"{limit}, so it was not fetched and is not counted. Train the model that was "
                f"pulled{', and keep its personal layers at the site' * bool(run.spec.personal)}."
            )
            raise UpdateError(msg)
        with writing_to(self._blobs.folder, "updates", nbytes=ref.nbytes):
            return self._received(run, receipt.client, ref)

    def _received(self, run: Run, client: str, ref: BlobRef) -> Admitted:
        with self._blobs.workspace() as folder:
            path = folder / f"{client}.safetensors"  # errors name it
            digest = write_chunks(path, received(self._transport, ref))
            if digest != ref.sha256 or path.stat().st_size != ref.nbytes:
                self._transport.delete(ref)  # else the site would take them for sent
                raise altered(ref)
            signature = self._workbench.signature(run.spec)
            held = encoded_signature(signature, run.spec.encoding)
            with syncing(path):
                bound = run.spec.norm_bound
                norm = check_update(path, held, norm_bound=bound, decoded=signature)
            failpoint("update.received")
            self._blobs.keep(path, digest)
            failpoint("update.stored")
        return Admitted(sha256=digest, nbytes=ref.nbytes, norm=norm)

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Make the version that a committed round stands for, and keep it.

        All bytes that go into it are compared with their names meanwhile.

        Raises:
            BlobError: If the base, the server optimizer's state or a control variate is not what
                it was.
            LostUpdatesError: If updates are not.
        """
        blobs, state = self._blobs, run.server_state
        with writing_to(blobs.folder, "the next version"), blobs.workspace() as folder:
            with checking(lambda: self._check(run, round_)):
                made = next_version(
                    blobs.path, self._workbench, run, round_,
                    server_state=blobs.path(state) if state else None, folder=folder,
                )  # fmt: skip
                controls = (
                    next_controls(
                        blobs.path, self._workbench, run, round_, before=run.controls, folder=folder
                    )
                    if run.spec.algorithm == "scaffold"
                    else None
                )
            return NextVersion(
                blobs.keep(made.model),
                blobs.keep(made.server_state) if made.server_state else None,
                blobs.keep(controls.server) if controls else None,
                {c: blobs.keep(path) for c, path in controls.clients.items()} if controls else {},
                figures_of(round_, made.kept),
            )

    def _check(self, run: Run, round_: Round) -> None:
        """Compare all bytes that go into a version with their names; see `make`."""
        self._blobs.whole(round_.base_version)
        for line in round_.latest:
            self._blobs.whole(line.sha256)
        for name in run.controls.names():
            self._blobs.whole(name)
        faults = {
            line.client: fault
            for line in round_.manifest or ()
            if (fault := self._blobs.fault(line.sha256))
        }
        if faults:
            raise LostUpdatesError(faults)
        if run.server_state:
            self._blobs.whole(run.server_state)

    def withdraw(self, version: str) -> None:
        """Forget a version in flight: nobody pulls it any more."""
        with suppress(BlobError):  # of one that is gone nobody knows how many pieces it had
            forget(self._transport, model_ref(self._blobs, version))

    def check_in_flight(self, run: Run, version: str) -> None:
        """Forget what of a version and its run's frozen part is altered in flight.

        It is looked at first: what another process or an answer before this one has put there anew
        may be on its way to other sites.
        """
        with suppress(BlobError):
            refs = [model_ref(self._blobs, version)]
            if run.frozen is not None:
                refs.append(frozen_ref(self._blobs, run.frozen))
            for ref in refs:
                if not intact(self._transport, ref):
                    forget(self._transport, ref)

    def discard(self, names: Collection[str]) -> None:
        """Delete control variates that no run needs any more."""
        for name in names:
            with suppress(FileNotFoundError):  # another process has
                self._blobs.remove(name)

    def score(self, run: Run, closed: ClosedRound) -> Metrics:
        """Return loss and metrics of a round's version on the workload's test data."""
        with survived(self._begun, run.id):
            return self._workbench.score(run.spec, closed.version, self._blobs)

    def export(self, run: Run) -> None:
        """Put a run's last and best version into its folder as safetensors files."""
        export_models(self._blobs, self._home, run)


def next_version(
    find: Callable[[str], Path],
    workbench: Workbench,
    run: Run,
    round_: Round | ClosedRound,
    *,
    server_state: Path | None,
    folder: Path,
) -> Made:
    """Make the version a committed round stands for.

    Args:
        find: Returns where the bytes of a name are, for base and updates.
        workbench: Knows the workload's model.
        run: The run.
        round_: One of its rounds, with its manifest.
        server_state: The server optimizer's state before the round, if it has one.
        folder: Where to write.
    """
    spec, lines = run.spec, [*(round_.manifest or ()), *round_.latest]
    weights: Counter[str] = Counter()
    for line in lines if spec.bias == "memory" else ():
        weights[run.base_of(line.issued)] += line.weight
    return make_version(
        find(round_.base_version),
        server_state,
        [Contribution(find(line.sha256), line.weight) for line in lines],
        bases=[(find(base), weight) for base, weight in sorted(weights.items())],
        divisor=round_.divisor,
        signature=workbench.signature(spec),
        parameters=workbench.parameters(spec),
        norm_bound=spec.norm_bound,
        encoding=spec.encoding,
        robust=spec.rule,
        optimizer=make_server_optimizer(
            spec.server_optimizer.name,
            spec.options,
            **spec.server_optimizer.options_at(round_.number),
        ),
        folder=folder,
    )
