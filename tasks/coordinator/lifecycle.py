"""The life of a run: its first version at the start, its best and its last at the end."""

from __future__ import annotations

from pathlib import Path

from common.errors import FairwindError
from common.log import get_logger
from models.serialization import write_state
from models.server_optimizers import make_server_optimizer
from scheduler.federation.federation import Run
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunOpened
from scheduler.rounds.ending import end_body, end_reason
from tasks.coordinator.coordinator import Coordinator

_log = get_logger(__name__)


def open_new_runs(c: Coordinator) -> None:
    """Make the first version of every run that has none; a workload that cannot ends its run."""
    for run in c.ledger.state().active_runs():
        if run.version is not None:
            continue
        try:
            draft = _opened(c, run)
        except FairwindError as error:
            draft = Draft(end_body(run, "failed", str(error)), run=run.id)
            _log.error("run.failed", run=run.id, reason=str(error))
        with c.ledger.transaction() as tx:
            current = tx.state.runs[run.id]
            if current.version is None and current.ended_at is None:
                tx.append(draft)


def _opened(c: Coordinator, run: Run) -> Draft:
    workload = run.spec.workload
    make_server_optimizer(run.spec.server_optimizer.name, **run.spec.server_optimizer.options)
    state = c.workbench.first_version(workload, run.spec.seed)
    path = c.blobs.incoming / f"{run.id}.first"
    write_state(state, path)
    opened = RunOpened(
        version=c.blobs.keep(path),
        num_params=sum(tensor.numel() for tensor in state.values()),
        scored_here=c.workbench.has_test_data(workload),
    )
    return Draft(opened, run=run.id)


def end_finished_runs(c: Coordinator) -> None:
    """End every run whose budget is spent or that was asked to stop; keep its best and its last."""
    for run in c.ledger.state().active_runs():
        reason = end_reason(run, c.clock.now())
        if reason is None:
            continue
        export(c.blobs, c.settings.folder / "runs" / run.id, run)
        with c.ledger.transaction() as tx:
            current = tx.state.runs[run.id]
            if current.ended_at is None:
                tx.append(Draft(end_body(current, reason, ""), run=run.id))
        _log.info("run.ended", run=run.id, reason=reason, rounds=len(run.closed))


def export(blobs: Blobs, folder: Path, run: Run) -> None:
    """Put a run's last and best version into a folder as safetensors files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in (("last", run.version), ("best", run.best_version or run.version)):
        if version is None:
            continue
        partial = folder / f"{name}.part"
        partial.unlink(missing_ok=True)
        partial.hardlink_to(blobs.path(version))
        partial.replace(folder / f"{name}.safetensors")
