"""Replay: recompute every version of a run from the ledger's manifests and the blobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import BlobError, FairwindError, LedgerError
from common.files import file_sha256
from common.settings import Settings
from models.frozen import write_version
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.control_variates import ControlVariates
from scheduler.federation.federation import Run
from scheduler.ledger.blobs import Blobs
from scheduler.rounds.robust_figures import figures_of
from tasks.coordinator.control_variates import next_controls
from tasks.coordinator.learning import next_version
from tasks.coordinator.workbench import Workbench

_OTHER_WEIGHTS = "its updates keep other weights by the robust rule than the ledger states"


@dataclass(frozen=True)
class Replayed:
    """One version: was it recomputed as the ledger names it, and if not, why not.

    Attributes:
        run: The run's name.
        round: That made the version; 0 for a first version, which is there only if it is lost.
        version: The SHA-256 that names it.
        same: Whether it was recomputed.
        fault: Why not; empty if it was.
        lost: Which of its blobs are missing or altered, and could be made again.
        put_back: Whether these were put back.
    """

    run: str
    round: int
    version: str
    same: bool
    fault: str
    lost: tuple[str, ...] = ()
    put_back: bool = False


def replay_run(run: Run, settings: Settings, *, repair: bool = False) -> Iterator[Replayed]:
    """Recompute the versions of one run, in order, from the first version on.

    Args:
        run: The run.
        settings: Where the blobs are, and which workloads may be loaded.
        repair: Put back what is missing or was altered and could be recomputed.
    """
    blobs = Blobs(settings.folder / "blobs")
    with blobs.workspace() as folder:
        replay = _Replay(run, blobs, Workbench(settings.workloads), folder, repair=repair)
        first = run.closed[0].base_version if run.closed else run.version
        needed = (first, run.frozen)
        if first is not None and any(name is not None and blobs.fault(name) for name in needed):
            yield replay.first(first)
        server_state: str | None = None
        controls = ControlVariates()
        for closed in run.closed:
            yield replay.round(closed, server_state, controls)
            server_state, controls = closed.server_state, controls.after(closed)
            replay.forget(controls.superseded)


class _Replay:
    """Recomputes into a folder of its own, beside the blobs."""

    def __init__(
        self, run: Run, blobs: Blobs, workbench: Workbench, folder: Path, *, repair: bool
    ) -> None:
        self._run = run
        made = {name for closed in run.closed for name in _controls(closed)}
        self._discarded = made - {*run.controls.names(), *run.controls.superseded}
        self._blobs = blobs
        self._workbench = workbench
        self._folder = folder
        self._repair = repair

    def first(self, version: str) -> Replayed:
        """Make the run's first version again."""
        spec = self._run.spec
        try:
            state = self._workbench.first_version(spec, self._blobs)
            path, part = write_version(state, self._workbench.frozen(spec), self._folder)
            made = {version: path}
            if part is not None and self._run.frozen is not None:
                made[self._run.frozen] = part[0]
            return self._compared(0, version, made)
        except (FairwindError, OSError) as error:
            return Replayed(self._run.id, 0, version, same=False, fault=str(error))

    def round(
        self, closed: ClosedRound, server_state: str | None, controls: ControlVariates
    ) -> Replayed:
        """Make the version of a closed round again, and what else the round made.

        Args:
            closed: The round.
            server_state: The server optimizer's state before it.
            controls: The control variates before it.
        """
        try:
            self._check_updates(closed)
            new = next_version(
                self._find, self._workbench, self._run, closed,
                server_state=self._find(server_state) if server_state else None,
                folder=self._folder,
            )  # fmt: skip
            made = {closed.version: new.model}
            if new.server_state is not None and closed.server_state is not None:
                made[closed.server_state] = new.server_state
            if closed.server_control is not None:
                new_controls = next_controls(
                    self._find, self._workbench, self._run, closed,
                    before=controls, folder=self._folder,
                )  # fmt: skip
                made[closed.server_control] = new_controls.server
                made |= {
                    closed.client_controls[c]: path for c, path in new_controls.clients.items()
                }
            if figures_of(closed, new.kept) != closed.robust:
                raise LedgerError(_OTHER_WEIGHTS)
            return self._compared(closed.number, closed.version, made)
        except (FairwindError, OSError) as error:
            fault = str(error)
            return Replayed(self._run.id, closed.number, closed.version, same=False, fault=fault)

    def forget(self, superseded: Collection[str]) -> None:
        """Remove recomputed control variates that no later round needs."""
        for name in superseded:
            (self._folder / name).unlink(missing_ok=True)

    def _compared(self, number: int, version: str, made: dict[str, Path]) -> Replayed:
        """Compare files with the names that the ledger gives them, and keep those that are lost."""
        digests = {name: file_sha256(path) for name, path in made.items()}
        fault = next((f"became {d[:16]}" for name, d in digests.items() if d != name), "")
        lost = []
        for name, path in made.items():
            if fault or not self._blobs.fault(name):
                path.unlink()
                continue
            if name in self._discarded:
                path.replace(self._folder / name)
                continue
            lost.append(name)
            if self._repair:
                self._blobs.keep(path, name)
            else:
                path.replace(self._folder / name)
        return Replayed(
            self._run.id, number, version, same=not fault, fault=fault, lost=tuple(lost),
            put_back=self._repair and bool(lost),
        )  # fmt: skip

    def _find(self, name: str) -> Path:
        """Return where bytes are: recomputed just now, or a blob that is whole."""
        recomputed = self._folder / name
        return recomputed if recomputed.exists() else self._blobs.whole(name)

    def _check_updates(self, closed: ClosedRound) -> None:
        """Refuse updates that are lost: nothing makes them again.

        Raises:
            BlobError: If there are any.
        """
        lost = [line for line in closed.manifest if self._blobs.fault(line.sha256)]
        if lost:
            raise BlobError(_only_a_backup([(line.client, line.sha256) for line in lost]))


def _controls(closed: ClosedRound) -> Iterator[str]:
    """Yield the control variates that a round made; those replaced since were deleted."""
    yield from closed.client_controls.values()
    if closed.server_control is not None:
        yield closed.server_control


def _only_a_backup(lost: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(f"{sha256[:16]} of {client}" for client, sha256 in lost)
    return f"updates are missing or altered, which only a back-up has: {names}"
