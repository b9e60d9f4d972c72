"""How an optional package is installed: from Fairwind's source, which no registry has."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """Return what installs an extra, as the end of a sentence.

    >>> how_to_install("gpu")
    "in the folder of Fairwind's source: pip install '.[gpu]'"
    """
    return f"in the folder of Fairwind's source: pip install '.[{extra}]'"
