"""Text from the wire as it may be shown: short, and control characters as their codes."""

from __future__ import annotations


def shown(text: str, most: int = 200) -> str:
    r"""Return a text in which nothing moves a cursor or begins a line.

    Args:
        text: From anybody.
        most: So many characters of it are shown.

    >>> shown("red\x1b[31m\n")
    'red\\x1b[31m\\n'
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:most]
    )
