"""Tables as wide as the terminal. What is piped is not wrapped: a program may read it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from common.command_line.screen import Styled, echo
from common.visible import visible

_GAP = "  "

_LEAST = 10
"""No column is made narrower than this, or than its header."""


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, columns aligned; cells wrap where the terminal is too narrow."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, line in enumerate(table_lines(header, rows, width=width)):
        echo(Styled(line, bold=True) if number == 0 else line)


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None
) -> Iterator[str]:
    """Yield the lines of a table, the header first.

    Args:
        header: The name of each column; never wrapped.
        rows: The cells.
        width: Characters a line may have; `None` for no limit.

    >>> list(table_lines(["id", "why"], [["a", "its gate is shut"]], width=16))
    ['id  why', 'a   its gate is', '    shut']
    """
    header, *rows = ([visible(str(cell)) for cell in row] for row in (header, *rows))
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if width is not None:
        widths = _narrowed(widths, [max(_LEAST, len(name)) for name in header], width)
    for row in [header, *rows]:
        cells = [
            textwrap.wrap(cell, each, break_on_hyphens=False) or [""]
            for cell, each in zip(row, widths, strict=True)
        ]
        for at in range(max(map(len, cells))):
            parts = [lines[at] if at < len(lines) else "" for lines in cells]
            padded = (part.ljust(each) for part, each in zip(parts, widths, strict=True))
            yield _GAP.join(padded).rstrip()


def _narrowed(widths: list[int], least: list[int], width: int) -> list[int]:
    """Return column widths that fit together: the widest gives way first."""
    widths = list(widths)
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        give = [(each, place) for place, each in enumerate(widths) if each > least[place]]
        if not give:
            return widths
        widths[max(give)[1]] -= 1
    return widths
