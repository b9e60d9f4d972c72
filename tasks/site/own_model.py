"""A site's own model of a run: the newest version that it pulled, and over it what it keeps.

The version is kept beside the site's memory, which only holds what no version has. Loads no torch,
as the commands of a site's administrator do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.disk import writing_to
from common.errors import FederationError
from common.files import file_sha256, replace_synced
from common.message import Message
from common.messages import Assignment, MemoryRef
from tasks.site.memory import SiteMemory
from tasks.site.site_files import path_in, sweep
from tasks.site.tensor_header import Span, read_spans, write_spans

_VERSION = "version-"
_NOTE = "own_model.json"

_KINDS = ("personal/", "ditto/")
"""Before the names of tensors in a site's memory that take the place of a version's."""


class _Note(Message):
    """Which version was pulled for a round, and the state that counted by then."""

    round: int
    version: str
    frozen: str | None
    memory: MemoryRef | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written of a site's own model.

    Attributes:
        path: Where it is.
        version_round: The round for which its version was pulled.
        own_round: The round whose work left the site's part; `None` if there is none yet.
        counts: Whether the coordinator has confirmed that this work counted.
        newer_round: A round of later work of which that is not known yet; `None` for none.
        own: Names of the tensors that are the site's own.
    """

    path: Path
    version_round: int
    own_round: int | None
    counts: bool
    newer_round: int | None
    own: tuple[str, ...]


def keep_version(memory: SiteMemory, assignment: Assignment, data: memoryview) -> None:
    """Keep the version that was pulled for an assignment, in place of the one before.

    Raises:
        StorageError: If the disk is full.
    """
    folder = memory.folder_of(assignment.run)
    with writing_to(folder, f"what the site remembers of {assignment.run}"):
        sweep(folder)
        version = _version(folder, assignment.model.sha256)
        if not version.exists():
            _replace(version, data)
        note = _Note(
            round=assignment.round, version=assignment.model.sha256, memory=assignment.memory,
            frozen=assignment.frozen.sha256 if assignment.frozen else None,
        )  # fmt: skip
        _replace(folder / _NOTE, note.model_dump_json().encode())
        for path in folder.glob(f"{_VERSION}*"):
            if path != version:
                path.unlink(missing_ok=True)


def export(memory: SiteMemory, run: str, target: Path, *, frozen: Path) -> Exported:
    """Write the site's own model of a run as safetensors, under the names of its workload's model.

    It is the one that the site's next work would start from, as far as the site knows: the state
    of its last update that counted. Before any is known to count, it is the newest.

    Args:
        memory: The site's.
        run: Of which run.
        target: Where to write.
        frozen: The folder with the frozen parts of models.

    Raises:
        FederationError: If the site has none of this run, or it is not whole.
        StorageError: If the disk is full.
    """
    folder = memory.folder_of(run)
    try:
        note = _Note.model_validate_json((folder / _NOTE).read_bytes())
        version = _version(folder, note.version)
        if file_sha256(version) != note.version:
            raise FederationError(_not_whole(run))
    except FileNotFoundError:
        raise FederationError(_none(run, folder.parent)) from None
    states = [state for state in memory.held() if state.run == run]
    newest = states[-1] if states else None
    counted = next((s for s in states if note.memory and s.sha256 == note.memory.sha256), None)
    chosen = counted or newest
    own: dict[str, Span] = {}
    if chosen is not None:
        path = memory.path(run, chosen.round, chosen.sha256)
        if file_sha256(path) != chosen.sha256:
            raise FederationError(_not_whole(run))
        own = _own_spans(path)
    part = _frozen_spans(run, frozen, note.frozen) if note.frozen else {}
    with writing_to(target.parent, "the site's own model"):
        partial = target.parent / f"{uuid4().hex}.part"
        try:
            write_spans({**part, **read_spans(version), **own}, partial)
            replace_synced(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return Exported(
        target, note.round, chosen.round if chosen else None, counted is not None,
        newest.round if counted and newest and newest.round > counted.round else None,
        tuple(own),
    )  # fmt: skip


def _frozen_spans(run: str, folder: Path, sha256: str) -> dict[str, Span]:
    path = path_in(folder, sha256)
    if not path.exists() or file_sha256(path) != sha256:
        raise FederationError(_not_whole(run))
    return read_spans(path)


def _own_spans(path: Path) -> dict[str, Span]:
    """Return what of a state takes the place of a version's tensors, by their names."""
    return {
        name.removeprefix(kind): span
        for name, span in read_spans(path).items()
        for kind in _KINDS
        if name.startswith(kind)
    }


def _version(folder: Path, sha256: str) -> Path:
    return folder / f"{_VERSION}{sha256}.safetensors"


def _replace(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all, also if the process is killed."""
    partial = path.with_name(f"{uuid4().hex}.part")
    partial.write_bytes(data)
    partial.replace(path)


def _none(run: str, folder: Path) -> str:
    runs = sorted(note.parent.name for note in folder.glob(f"*/{_NOTE}"))
    which = f"It has one of {', '.join(runs)}." if runs else (
        "A run leaves a site one with --personal or --ditto, once the site has worked for it."
    )  # fmt: skip
    return f"This site has no model of its own of run {run!r}, so nothing was exported. {which}"


def _not_whole(run: str) -> str:
    return (
        f"The site's own model of {run} is not whole on its disk, so nothing was exported. The "
        "site's next work for the run writes it again."
    )
