"""SCAFFOLD at the coordinator: control variates as blobs, and the corrections that sites pull."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.disk import writing_to
from common.files import file_sha256
from common.keys import blob_key
from common.messages import BlobRef, Receipt
from models.algorithms.scaffold import correction, next_client_control, next_server_control
from models.serialization import read_state, write_state
from models.update import State
from models.update_encoding import decoded
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.control_variates import ControlVariates
from scheduler.federation.round import AssignmentState, Round
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.rounds.scaffold import reach
from tasks.coordinator.workbench import Workbench
from tasks.messaging.transport import Transport, forget

Find = Callable[[str], Path]
"""Returns where the bytes of a name are."""


@dataclass(frozen=True, slots=True)
class MadeControls:
    """The files of the control variates that a round makes: c, and c_i of those in its manifest."""

    server: Path
    clients: dict[str, Path]


def next_controls(
    find: Find,
    workbench: Workbench,
    run: Run,
    round_: Round | ClosedRound,
    *,
    before: ControlVariates,
    folder: Path,
) -> MadeControls:
    """Make the control variates of a committed round: a pure function of manifest and blobs.

    Memory holds a few models at once, however many clients there are.

    Args:
        find: Returns where base, updates and control variates are.
        workbench: Knows the workload's model.
        run: The run.
        round_: One of its rounds, with its manifest.
        before: Those before the round.
        folder: Where to write.
    """
    spec, asked = run.spec, run.spec.hyperparameters.in_round(round_.number)
    base, signature = read_state(find(round_.base_version)), workbench.signature(run.spec)
    terms, made = round_.controls, dict[str, Path]()
    assert terms is not None  # noqa: S101 - committed with the manifest
    for line in round_.manifest or ():
        control = next_client_control(
            _correction(find, before, line.client),
            decoded(read_state(find(line.sha256)), signature),
            base, reach=reach(asked, terms.num_steps[line.client]), weight_decay=asked.weight_decay,
            parameters=workbench.parameters(spec),
        )  # fmt: skip
        made[line.client] = _written(control, folder)
    others = before.besides({*made, *terms.left})
    paths = made | {client: find(name) for client, name in others.items()}
    server = next_server_control(
        (read_state(path) for _, path in sorted(paths.items())), terms.num_clients
    )
    return MadeControls(_written(server, folder), made)


class Corrections:
    """Offers each site what it adds to its gradients.

    Args:
        blobs: Where the control variates are.
        transport: Carries the corrections.
    """

    def __init__(self, blobs: Blobs, transport: Transport) -> None:
        self._blobs = blobs
        self._transport = transport
        self._offered: dict[tuple[str, str], BlobRef] = {}

    def offer(self, run: Run, part: AssignmentState) -> BlobRef | None:
        """Put a client's correction into the transport, the same bytes again if it is issued again.

        Returns:
            Its claim check; `None` where it is 0.

        Raises:
            BlobError: If a control variate is missing or was altered.
            TransportError: If it could not be offered.
        """
        added = _correction(self._blobs.whole, run.controls, part.client)
        if added is None:
            return None
        with writing_to(self._blobs.folder, "a correction"), self._blobs.workspace() as folder:
            path = _written(added, folder)
            key = blob_key("correction", part.client, run.id, part.round)
            if (before := self._offered.get((run.id, part.client))) is not None:
                forget(
                    self._transport, before
                )  # it may have been altered, and is this site's alone
            ref = self._transport.put(key, path, file_sha256(path))
        self._offered[run.id, part.client] = ref
        return ref

    def settled(self, receipt: Receipt) -> BlobRef | None:
        """Return the claim check that a client with this receipt needs no longer.

        `None` if there is none, or another process has offered it: then it expires.
        """
        return self._offered.pop((receipt.run, receipt.client), None)


def _correction(find: Find, controls: ControlVariates, client: str) -> State | None:
    """Return c - c_i of a client; `None` where both are 0."""
    if controls.server is None:
        return None
    own = controls.clients.get(client)
    return correction(read_state(find(controls.server)), read_state(find(own)) if own else None)


def _written(state: State, folder: Path) -> Path:
    path = folder / f"{uuid4().hex}.tmp"
    write_state(state, path)
    return path
