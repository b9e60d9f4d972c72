"""A finding of a preflight check: what was found, what follows, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The result of one check: fine, a warning, or an error."""

    level: Literal["ok", "warning", "error"]
    text: str
