"""The encodings in which an update may travel, as a run names them."""

from __future__ import annotations

import math
import re
from typing import Annotated

from common.message import without

DENSE = ("float32", "bfloat16", "mxint8")
"""Encodings of every value."""

SPARSE = "topk:"
"""Begins an encoding of the largest values alone; the share of them that travels follows."""

MOST_KEPT = 0.25
"""Above this share the places cost about as much as is saved: `mxint8` is better there."""

FORMS = ", ".join((*DENSE, "topk:SHARE"))
"""How they are written, for the help of a command."""


def encoding_fault(text: str) -> str | None:
    """Return why a text names no encoding and what would, else `None`.

    >>> encoding_fault("topk:0.01") is None
    True
    >>> encoding_fault("topk:2")
    'topk:2 keeps no share of the values above 0 and up to 0.25: write topk:0.01 for one in 100'
    """
    if text in DENSE:
        return None
    if not text.startswith(SPARSE):
        return f"{text!r} is no encoding of updates: use one of {FORMS}"
    if not re.fullmatch(r"\d*\.?\d+(e-\d+)?", text.removeprefix(SPARSE)) or not (
        0 < kept_share(text) <= MOST_KEPT
    ):
        return (
            f"{text} keeps no share of the values above 0 and up to {MOST_KEPT}: write topk:0.01 "
            "for one in 100"
        )
    return None


UpdateEncoding = Annotated[str, without(encoding_fault)]
"""How an update travels: ``float32`` as it was trained; see `models.update_encoding`."""


def is_sparse(encoding: str) -> bool:
    """Return whether only the largest values travel."""
    return encoding.startswith(SPARSE)


def kept_share(encoding: str) -> float:
    """Return the share of values that travels in a sparse encoding."""
    return float(encoding.removeprefix(SPARSE))


def encoded_share(encoding: str) -> float:
    """Return about what share of the bytes of a large float32 update travels.

    >>> [round(encoded_share(each), 4) for each in ("float32", "mxint8", "topk:0.01")]
    [1.0, 0.2578, 0.0053]
    """
    if is_sparse(encoding):
        share = kept_share(encoding)
        return share * (_MXINT8_BITS + 2 + math.log2(1 / share)) / _FLOAT32_BITS
    return {"bfloat16": 0.5, "mxint8": _MXINT8_BITS / _FLOAT32_BITS}.get(encoding, 1.0)


_FLOAT32_BITS = 32
_MXINT8_BITS = 8.25
"""Of a value: a byte, and the scale that 32 of them share."""
