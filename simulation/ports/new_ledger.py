"""A ledger that a simulation writes: it is there when the simulation is done, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from common.clock import GridClock
from common.errors import SettingError
from scheduler.federation.opening import open_ledger
from scheduler.ledger.blobs import Blobs
from simulation.ports.journal import OnDisk

_BLOBS = "blobs"


@contextmanager
def new_ledger(path: Path) -> Iterator[OnDisk]:
    """Yield a journal whose ledger, snapshots and blobs come to be at a path if nothing raises.

    Raises:
        SettingError: If there is a file already, or none can be written there.
    """
    path = path.resolve()
    if path.exists():
        msg = f"There is a file {path} already, so nothing was simulated. Name a new one."
        raise SettingError(msg)
    around = next(folder for folder in path.parents if folder.exists())
    try:
        made = TemporaryDirectory(dir=around, prefix=".simulation-")
    except OSError as error:
        msg = (
            f"No ledger can be written to {path} ({error.strerror}), so nothing was simulated. "
            "Let --ledger name a file in a folder that you may write."
        )
        raise SettingError(msg) from error
    with made as folder:
        unfinished = Path(folder)
        ledger = open_ledger(f"sqlite:///{unfinished / path.name}", GridClock())
        try:
            yield OnDisk(ledger, Blobs(unfinished / _BLOBS))
        finally:
            ledger.close()
        _move(unfinished, path.parent)


def _move(source: Path, target: Path) -> None:
    """Move all files below one folder to the same places below another."""
    for file in [each for each in source.rglob("*") if each.is_file()]:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
