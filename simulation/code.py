"""The code on which outcomes depend, as a digest."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1]


@cache
def code_digest() -> str:
    """Return a digest of the code on which outcomes depend, as it was at the first call."""
    digest = hashlib.sha256()
    for room in ("common", "scheduler", "models", "simulation"):
        for path in sorted((_PROJECT / room).rglob("*.py")):
            if "study" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
