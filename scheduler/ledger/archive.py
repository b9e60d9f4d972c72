"""The archive: parts of a state that are seldom needed, compressed and out of the way.

What is put in is named by the SHA-256 of its text. It stays in memory, compressed, until a snapshot
is written; from then on it is in a file that is read when somebody asks.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from common.errors import LedgerError
from common.files import replace_synced, sync

_LEVEL = 6

_READ_PAGES = 8
"""Pages that stay decoded after somebody read them."""

T = TypeVar("T")


class Archive:
    """Texts by their SHA-256, and lists of things, called pages, as such texts.

    Args:
        folder: Where a snapshot has put texts, if one has; see `write`.

    Attributes:
        faulty: Whether a text was found to be missing or altered: whoever owns the state that
            refers to it is to fold it anew.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.faulty = False
        self._folder = folder
        self._pending: dict[str, bytes] = {}
        self._read: OrderedDict[str, list[Any]] = OrderedDict()

    def apart(self) -> Archive:
        """Return an archive of the same texts; what is put into either is not in the other."""
        apart = Archive(self._folder)
        apart._pending = dict(self._pending)
        return apart

    def put(self, text: bytes) -> str:
        """Keep a text and return its name."""
        name = hashlib.sha256(text).hexdigest()
        if name not in self._pending:
            self._pending[name] = zlib.compress(text, _LEVEL)
        return name

    def get(self, name: str) -> bytes:
        """Return the text of that name.

        Raises:
            LedgerError: If its file is missing or was altered.
        """
        pending = self._pending.get(name)
        if pending is not None:
            return zlib.decompress(pending)
        try:
            text = zlib.decompress(self._path(name).read_bytes())
        except (OSError, zlib.error) as error:
            self.faulty = True
            raise LedgerError(self._fault(name, str(error))) from error
        if hashlib.sha256(text).hexdigest() != name:
            self.faulty = True
            raise LedgerError(self._fault(name, "it is not what was written"))
        return text

    def put_page(self, kind: TypeAdapter[list[T]], page: list[T]) -> str:
        """Keep a list of things and return its name."""
        return self.put(kind.dump_json(page))

    def page(self, kind: TypeAdapter[list[T]], name: str) -> list[T]:
        """Return the list of that name. Read it, never change it or what is in it.

        Raises:
            LedgerError: If its file is missing or was altered.
        """
        page = self._read.pop(name, None)
        if page is None:
            page = kind.validate_json(self.get(name))
        self._read[name] = page
        if len(self._read) > _READ_PAGES:
            self._read.popitem(last=False)
        return page

    def drop(self, name: str) -> None:
        """Forget a text that no state refers to any more, unless a snapshot has it."""
        self._pending.pop(name, None)

    def has(self, name: str) -> bool:
        """Return whether there is a text of that name; a file is not looked into."""
        return name in self._pending or (self._folder is not None and self._path(name).exists())

    def write(self, folder: Path) -> None:
        """Put what is in memory into files of a folder, on disk when this returns."""
        self._folder = folder
        written = [name for name in self._pending if not self._is_written(name)]
        for name in written:
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{uuid4().hex}.part")
            partial.write_bytes(self._pending[name])
            replace_synced(partial, path)
        if written:
            sync(folder)
        self._pending.clear()

    def keep_only(self, names: Iterable[str], *, older_than: float) -> None:
        """Delete the files of other names that were written before a POSIX time."""
        if self._folder is None:
            return
        kept = set(names)
        for path in self._folder.glob("??/*"):
            if path.name not in kept and path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Stand for nothing in a state's text; the context of a loading brings the archive."""

        def brought(_: object, info: ValidationInfo) -> Archive:
            return info.context if isinstance(info.context, Archive) else cls()

        return core_schema.with_info_plain_validator_function(
            brought,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: None),
        )

    def _is_written(self, name: str) -> bool:
        try:
            return self._path(name).read_bytes() == self._pending[name]
        except OSError:
            return False

    def _path(self, name: str) -> Path:
        assert self._folder is not None  # noqa: S101 - what is not in memory came from a folder
        return self._folder / name[:2] / name

    def _fault(self, name: str, why: str) -> str:
        folder = self._folder.parent if self._folder else None
        return (
            f"A part of the ledger's snapshot cannot be read ({name[:16]}: {why}), so old rounds "
            f"are not known here. The ledger itself is whole: remove {folder}, and the next "
            "command folds all events anew."
        )
