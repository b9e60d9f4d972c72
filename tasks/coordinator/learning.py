"""The engine's learning in production: blobs on disk, and the workloads' own models."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from common.errors import TransportError, UpdateError
from common.failpoints import failpoint
from common.messages import Receipt, update_key
from models.aggregation import Contribution, scale_exponent
from models.serialization import write_state
from models.server_optimizers import ServerOptimizer, make_server_optimizer
from models.update import check_update
from models.version import make_version
from scheduler.federation.round import ClosedRound, Round
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.world import Admitted, FirstVersion, NextVersion
from tasks.coordinator.export import export_models
from tasks.coordinator.work import model_ref
from tasks.coordinator.workbench import Workbench
from tasks.messaging.transport import Transport, altered, received


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
        self._home = home
        self._max_update_nbytes = max_update_nbytes

    def open(self, run: Run) -> FirstVersion:
        """Make a run's first version; the same seed gives the same bits."""
        workload = run.spec.workload
        server_optimizer(run.spec)
        state = self._workbench.first_version(workload, run.spec.seed)
        # Another process may open the same run at the same time.
        path = self._blobs.incoming / uuid4().hex
        write_state(state, path)
        return FirstVersion(
            version=self._blobs.keep(path),
            num_params=sum(tensor.numel() for tensor in state.values()),
            scored_here=self._workbench.has_test_data(workload),
        )

    def exponent(self, norm_bound: float, heaviest: int) -> int:
        """Return the exponent of the fixed-point scale on which a round's updates are summed."""
        return scale_exponent(norm_bound, heaviest)

    def pulled_nbytes(self, run: Run) -> int:
        """Return the size of the model that a site pulls: all versions of a run are of one size."""
        return model_ref(self._blobs, run.version).nbytes if run.version else 0

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Receive an update's bytes, check them, and keep them as a blob.

        Raises:
            TransportError: If they are missing, or are not those the receipt names.
            UpdateError: If they are, but are not an update that counts.
        """
        ref = receipt.update
        if ref is None or ref.key != update_key(receipt):
            msg = f"The receipt names no bytes of {receipt.client}'s own, so it is not counted."
            raise UpdateError(msg)
        limit = min(self._max_update_nbytes, self._workbench.update_nbytes(run.spec.workload))
        if ref.nbytes > limit:
            msg = (
                f"The update of {receipt.client} has {ref.nbytes} bytes where the model allows "
                f"{limit}, so it was not fetched and is not counted. Train the model that was "
                "pulled."
            )
            raise UpdateError(msg)
        path, digest = self._blobs.receive(received(self._transport, ref))
        try:
            if digest != ref.sha256:
                raise TransportError(altered(ref))
            signature = self._workbench.signature(run.spec.workload)
            norm = check_update(path, signature, norm_bound=run.spec.norm_bound)
            failpoint("update.received")
            self._blobs.keep(path, digest)
            failpoint("update.stored")
        finally:
            path.unlink(missing_ok=True)
        return Admitted(sha256=digest, nbytes=ref.nbytes, norm=norm)

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Make the version that a committed round stands for, and keep it."""
        return next_version(
            self._blobs, self._workbench, run.spec, round_, server_state=run.server_state
        )

    def published(self, round_: Round) -> None:
        """Forget the base in flight: nobody pulls it any more."""
        self._transport.delete(model_ref(self._blobs, round_.base_version))

    def score(self, run: Run, closed: ClosedRound) -> dict[str, float]:
        """Return loss and metrics of a round's version on the workload's test data."""
        return self._workbench.score(run.spec.workload, self._blobs.path(closed.version))

    def export(self, run: Run) -> None:
        """Put a run's last and best version into its folder as safetensors files."""
        export_models(self._blobs, self._home, run)


def next_version(
    blobs: Blobs,
    workbench: Workbench,
    spec: RunSpec,
    round_: Round | ClosedRound,
    *,
    server_state: str | None,
) -> NextVersion:
    """Make the version a committed round stands for, and keep it.

    Args:
        blobs: Where base, updates and result are.
        workbench: Knows the workload's model.
        spec: The run's.
        round_: The round, with its manifest.
        server_state: The blob of the server optimizer's state before the round, if it has one.
    """
    model, new_state = make_version(
        blobs.path(round_.base_version),
        blobs.path(server_state) if server_state else None,
        [Contribution(blobs.path(line.sha256), line.weight) for line in round_.manifest or ()],
        signature=workbench.signature(spec.workload),
        parameters=workbench.parameters(spec.workload),
        exponent=round_.exponent,
        optimizer=server_optimizer(spec),
        folder=blobs.incoming,
    )
    return NextVersion(blobs.keep(model), blobs.keep(new_state) if new_state else None)


def server_optimizer(spec: RunSpec) -> ServerOptimizer:
    """Return the rule that a run asks for.

    Raises:
        SettingError: If there is none of that name, or an option of it is wrong.
    """
    return make_server_optimizer(spec.server_optimizer.name, **spec.server_optimizer.options)
