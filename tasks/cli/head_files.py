"""The option that names files with heads, kept by the other side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def with_heads(help_: str) -> Callable[[Any], Any]:
    """Return the option ``--heads FILE``, as often as there are files; the parameter is `files`."""
    return click.option(
        "--heads",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=help_,
    )
