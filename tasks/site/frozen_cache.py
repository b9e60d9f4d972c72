"""The frozen parts of models that a site keeps, across runs: files named by their SHA-256."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.disk import writing_to
from common.errors import SettingError
from common.file_lock import lock
from common.log import get_logger
from common.messages import BlobRef
from common.units import show_bytes
from common.verified import Verified
from models.serialization import read_state
from models.update import State
from tasks.messaging.transport import Transport, altered, forget, missing, received
from tasks.site.site_files import path_in

_log = get_logger(__name__)

_MB = 1_000_000


class FrozenCache:
    """Frozen parts on disk, shared by the clients of one host.

    Args:
        folder: Holds them; it need not exist.
        max_nbytes: What they take together at most. Those that were not used for the longest time
            are deleted first.
    """

    def __init__(self, folder: Path, max_nbytes: float) -> None:
        self._folder = folder
        self._max_nbytes = max_nbytes
        self._verified = Verified()
        self._pulled_nbytes = 0

    def take_pulled_nbytes(self) -> int:
        """Return how many bytes were pulled since this was asked last."""
        taken, self._pulled_nbytes = self._pulled_nbytes, 0
        return taken

    def get(self, transport: Transport, ref: BlobRef) -> State:
        """Return a frozen part; it is pulled if it is not here, or not what its name says.

        The tensors are mapped from the file: changing them does not change it.

        Raises:
            TransportError: If bytes are missing in the transport, or altered.
            SettingError: If it is larger than all that may be kept.
            StorageError: If the disk is full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = path_in(self._folder, ref.sha256)
        with self._locked():
            if not self._verified.holds(path, ref.sha256):
                if path.exists():
                    _log.warning(
                        "frozen_part.altered", path=str(path),
                        consequence="it is pulled again, and what is there is deleted",
                    )  # fmt: skip
                    path.unlink()
                self._pull(transport, ref, path)
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))  # when it was used
            return read_state(path)

    def _pull(self, transport: Transport, ref: BlobRef, path: Path) -> None:
        """Pull a part to its place; what a pull before left unfinished is gone on with."""
        if ref.nbytes > self._max_nbytes:
            msg = (
                f"The frozen part of the model has {show_bytes(ref.nbytes)} and "
                f"FAIRWIND_SITE_CACHE_MB={self._max_nbytes / _MB:g} allows less, so it was not "
                "pulled. Raise that and restart the site's worker."
            )
            raise SettingError(msg)
        if not transport.has(ref):
            raise missing(ref)  # before others make room for it
        self._make_room(ref)
        partial = path.with_suffix(".part")
        start = partial.stat().st_size if partial.exists() else 0
        with (
            writing_to(self._folder, "the frozen part of a model", nbytes=ref.nbytes - start),
            partial.open("ab") as file,
        ):
            for chunk in received(transport, ref, start=start):
                file.write(chunk)
                self._pulled_nbytes += len(chunk)
        if not Verified().holds(partial, ref.sha256):
            partial.unlink()
            if not start:  # else the fault may lie in what was there before
                forget(transport, ref)
            raise altered(ref)
        partial.replace(path)

    def _make_room(self, ref: BlobRef) -> None:
        kept = sorted(
            (each for each in self._folder.iterdir() if not each.name.startswith(ref.sha256)),
            key=lambda each: each.stat().st_atime,
        )
        sizes = {each: each.stat().st_size for each in kept if each != self._lock}
        over = sum(sizes.values()) + ref.nbytes - self._max_nbytes
        for oldest, nbytes in sizes.items():
            if over <= 0:
                return
            oldest.unlink()
            over -= nbytes

    @property
    def _lock(self) -> Path:
        return self._folder / "lock"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process pull at a time: the others find what it pulled."""
        with self._lock.open("w") as file:
            lock(file.fileno())
            yield
