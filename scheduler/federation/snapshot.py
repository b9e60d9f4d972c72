"""The federation as the text of a snapshot, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

import common
import scheduler
from scheduler.federation.federation import Federation
from scheduler.ledger.archive import Archive

_FOLDING = (
    "scheduler/ledger",
    "scheduler/carbon",
    "scheduler/accounting",
    "scheduler/gate",
    "scheduler/policies/past_rounds.py",
    "scheduler/policies/selection_context.py",
    "scheduler/federation",
    "common/hyperparameters.py",
    "common/message.py",
    "common/messages.py",
)
"""The code that decides what the events add up to and how that is written."""


def dump(state: Federation) -> bytes:
    """Return a federation as JSON, but for what is in its archive."""
    return _kind().dump_json(state)


def load(text: bytes, archive: Archive) -> Federation:
    """Return the federation that `dump` made the text of, with that archive.

    Raises:
        ValueError: If the text is none of this code's.
    """
    return _kind().validate_json(text, context=archive)


@cache
def code() -> str:
    """Return a digest of the code that folds: a snapshot of other code may mean something else."""
    digest = hashlib.sha256()
    for name, path in _sources():
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    roots = {module.__name__: Path(module.__path__[0]).parent for module in (common, scheduler)}
    for name in _FOLDING:
        root = roots[name.partition("/")[0]]
        found = sorted((root / name).rglob("*.py")) if (root / name).is_dir() else [root / name]
        yield from ((path.relative_to(root).as_posix(), path) for path in found)


@cache
def _kind() -> TypeAdapter[Federation]:
    return TypeAdapter(Federation)
