"""The model that a run begins from, given by `--init-from`: its bytes become a blob."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.disk import writing_to
from common.errors import FederationError, SettingError
from common.files import file_sha256
from scheduler.ledger.blobs import Blobs
from scheduler.status.which_run import find_run

if TYPE_CHECKING:
    from scheduler.federation.federation import Federation
    from scheduler.federation.run import Run

FORMS = "a safetensors file, or a version of an earlier run as RUN, RUN:best or RUN:ROUND"
"""What may be given."""

_SUFFIX = ".safetensors"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@contextmanager
def kept_if_started(given: object, state: Federation, blobs: Blobs) -> Iterator[str]:
    """Yield `first_version`; a blob that it made is removed if the run is refused."""
    before = _digest(given)
    was_there = before is None or blobs.path(before).exists()
    blob = first_version(given, state, blobs)
    try:
        yield blob
    except BaseException:
        if not was_there and blob == before:
            blobs.remove(blob)
        raise


def _digest(given: object) -> str | None:
    """Return the name that the bytes of a file would have as a blob; `None` if it is no file."""
    if not isinstance(given, str) or not _is_file(given):
        return None
    try:
        return file_sha256(Path(given).expanduser())
    except OSError:
        return None  # which `first_version` says


def _is_file(given: str) -> bool:
    return given.endswith(_SUFFIX) or "/" in given


def first_version(given: object, state: Federation, blobs: Blobs) -> str:
    """Return the blob that a run begins from; the bytes of a file become one.

    Args:
        given: One of `FORMS`, or the name of a blob, as `fairwind run show --toml` prints it.
        state: What has earlier runs.
        blobs: Where versions are.

    Raises:
        SettingError: If it is none of these, or a file that cannot be read.
        FederationError: If there is no such run, or it has no such version.
    """
    if not isinstance(given, str) or not given:
        msg = f"--init-from {given!r} is no model, so no run was started. Give {FORMS}."
        raise SettingError(msg)
    if _is_file(given):
        return _kept(Path(given), blobs)
    if _SHA256.fullmatch(given):
        blobs.nbytes(given)  # raises where there is none
        return given
    run_id, _, which = given.partition(":")
    return _version(find_run(state, run_id), which)


def _kept(path: Path, blobs: Blobs) -> str:
    with writing_to(blobs.folder, "the model of --init-from"), blobs.workspace() as folder:
        try:
            shutil.copyfile(path.expanduser(), folder / "given")
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            msg = (
                f"The file {path} of --init-from cannot be read ({error.strerror}), so no run was "
                f"started. Give {FORMS}."
            )
            raise SettingError(msg) from None
        return blobs.keep(folder / "given")


def _version(run: Run, which: str) -> str:
    found = _found(run, which)
    if found is None:
        has = f"It has rounds 0 to {len(run.closed)}" if run.version else "It has none yet"
        of = f"version {which!r}" if which else "version"
        msg = (
            f"The run {run.id} has no {of}, so no run was started. {has}: give {run.id}, "
            f"{run.id}:best or {run.id}:ROUND."
        )
        raise FederationError(msg)
    return found


def _found(run: Run, which: str) -> str | None:
    if not which:
        return run.version
    if which == "best":
        return run.best_version or run.version
    if which == "0":
        return run.closed[0].base_version if run.closed else run.version
    closed = run.closed.find(int(which)) if which.isascii() and which.isdigit() else None
    return None if closed is None else closed.version


def without(entries: Mapping[str, object]) -> dict[str, object]:
    """Return the entries of a run without the model that it begins from."""
    return {key: value for key, value in entries.items() if key != "init_from"}
