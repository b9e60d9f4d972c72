"""Which kinds of GPU this machine has, for tests that need one.

``python -m tests.gpu`` succeeds if there is any.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

KINDS = ("cuda", "mps")


def is_there(kind: str) -> bool:
    """Return whether PyTorch can use a GPU of this kind here."""
    return torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available()


def why_skipped(kind: str) -> str:
    """Return what a test is skipped with."""
    return f"NOT TESTED: this machine has no {kind.upper()} device that PyTorch can use"


def _parameter(kind: str) -> Any:
    skipped = pytest.mark.skipif(not is_there(kind), reason=why_skipped(kind))
    return pytest.param(kind, marks=[pytest.mark.gpu, skipped])


EACH = ["cpu", *map(_parameter, KINDS)]
"""Parameters of a test that runs once on each device."""


if __name__ == "__main__":
    sys.exit(not any(map(is_there, KINDS)))
