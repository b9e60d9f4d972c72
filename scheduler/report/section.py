"""The sections of a report as a reader meets them: text, tables and plots, all words still plain.

Nothing here is HTML but the plots; the page escapes what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header. The first `texts` columns are words, the others figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, in the order: paragraphs, plots (SVG), tables, notes.

    One that is boxed has a frame.
    """

    title: str
    paragraphs: Sequence[str] = ()
    plots: Sequence[str] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    boxed: bool = False
