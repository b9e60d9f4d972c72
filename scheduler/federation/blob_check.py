"""Which blobs a federation's runs need, and which of them are missing or were altered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.federation.federation import Federation, Run
from scheduler.ledger.blobs import Blobs, Fault


@dataclass(frozen=True, slots=True)
class BlobFault:
    """A blob that is not what the ledger names.

    Attributes:
        run: The run that names it.
        what: What it is: "its version", "the update of lyon".
        sha256: Its name.
        fault: What is wrong with it.
    """

    run: str
    what: str
    sha256: str
    fault: Fault


def blob_faults(state: Federation, blobs: Blobs) -> Iterator[BlobFault]:
    """Yield what is wrong with versions and updates; all bytes are read.

    What an ended run no longer needs may have been deleted, so only what was altered is a fault
    there. A run that goes on needs its newest version, the server optimizer's state and the updates
    that count so far.
    """
    faults: dict[str, Fault | None] = {}
    for run in state.runs.values():
        needed = dict(_needed(run))
        for sha256, what in {**dict(_past(run)), **needed}.items():
            if sha256 not in faults:
                faults[sha256] = blobs.fault(sha256)
            fault = faults[sha256]
            if fault == "altered" or (fault == "missing" and sha256 in needed):
                yield BlobFault(run.id, what, sha256, fault)


def _needed(run: Run) -> Iterator[tuple[str, str]]:
    if run.ended_at is not None:
        return
    if run.version is not None:
        yield run.version, "its newest version"
    elif run.spec.init_from is not None:
        yield run.spec.init_from, "the model that it begins from"
    if run.frozen is not None:
        yield run.frozen, "the frozen part of its model"
    if run.server_state is not None:
        yield run.server_state, "the state of its server optimizer"
    if run.controls.server is not None:
        yield run.controls.server, "the control variate of its server"
    for client, control in run.controls.clients.items():
        yield control, f"the control variate of {client}"
    for client, update in run.open_round.accepted.items() if run.open_round else ():
        yield update.sha256, f"the update of {client} in the open round"


def _past(run: Run) -> Iterator[tuple[str, str]]:
    if run.spec.init_from is not None:
        yield run.spec.init_from, "the model that it began from"
    if run.frozen is not None:
        yield run.frozen, "the frozen part of its model"
    for closed in run.closed:
        yield closed.base_version, f"the version before round {closed.number}"
        yield closed.version, f"the version of round {closed.number}"
        if closed.server_state is not None:
            yield closed.server_state, f"the server optimizer's state of round {closed.number}"
        if closed.server_control is not None:
            yield closed.server_control, f"the server's control variate of round {closed.number}"
        for client, control in closed.client_controls.items():
            yield control, f"the control variate of {client} of round {closed.number}"
        for line in closed.manifest:
            yield line.sha256, f"the update of {line.client} in round {closed.number}"
