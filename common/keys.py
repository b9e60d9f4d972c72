"""Keys made of names, so that different names never make the same key.

A client id or a run id may hold dots and dashes, a zone anything. So names are never joined by
hand: `joined` escapes the separator wherever a name holds it.
"""

from __future__ import annotations

_ESCAPE = "%"


def joined(first: str | int, *more: str | int, by: str) -> str:
    """Return names as one text, in which each is followed by a separator that no name holds.

    Args:
        first: The first name.
        *more: The others.
        by: The separator, one character; where a name holds it, its code stands instead.

    >>> joined("update", "a.b", "r", 1, by="~")
    'update~a.b~r~1'
    >>> joined("a:b", "c", by=":") == joined("a", "b:c", by=":")
    False
    """
    escape, separator = _code(_ESCAPE), _code(by)
    names = [str(name).replace(_ESCAPE, escape) for name in (first, *more)]
    return by.join([name.replace(by, separator) for name in names])


def redis_key(first: str | int, *more: str | int) -> str:
    """Return the key of ours in Redis that these names stand for.

    >>> redis_key("client", "lyon")
    'fairwind:client:lyon'
    """
    return joined("fairwind", first, *more, by=":")


def blob_key(kind: str, *names: str | int) -> str:
    """Return the key of bytes in flight; it is fit for the name of a file, too.

    >>> blob_key("model", "0a1b")
    'model~0a1b'
    """
    return joined(kind, *names, by="~")


def _code(character: str) -> str:
    return f"{_ESCAPE}{ord(character):02X}"


PROBE = redis_key("probe")
"""Written to see whether Redis takes writes, for it may answer and yet take none; it expires."""
