"""Patches: what a page must change in the document it holds, so that it equals the newest one.

A patch of an object holds the members that changed, each as a patch of its own, and under ``$gone``
the names of those that are there no more. A patch of a list is ``{"$keep": [first, count],
"$before": [...], "$after": [...]}``: what stays of the old one, between what is new. Everything
else is replaced. RFC 7386 (JSON Merge Patch) cannot set `null` and sends lists whole, and both
happen here all the time: an unknown figure is `null`, a chart grows at its end.

``static/patch.js`` applies them.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any, Final

GONE: Final = "$gone"
KEEP: Final = "$keep"
BEFORE: Final = "$before"
AFTER: Final = "$after"

_WORTH_KEEPING: Final = 4
"""A list of which less stays is sent whole."""


def make_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return what turns `old` into `new`; empty if they are equal. Both hold what JSON can hold.

    No name of a member may begin with ``$``.
    """
    patch = {
        name: _changed(old.get(name), value)
        for name, value in new.items()
        if name not in old or old[name] != value
    }
    gone = [name for name in old if name not in new]
    return patch | {GONE: gone} if gone else patch


def _changed(old: Any, new: Any) -> Any:
    match old, new:
        case dict(), dict():
            return make_patch(old, new)
        case list(), list():
            return _spliced(old, new)
    return new


def _spliced(old: list[Any], new: list[Any]) -> Any:
    first, at, count = _longest_common(old, new)
    if count < _WORTH_KEEPING:
        return new
    ends = {BEFORE: new[:at], AFTER: new[at + count :]}
    return {KEEP: [first, count], **{name: items for name, items in ends.items() if items}}


def _longest_common(old: list[Any], new: list[Any]) -> tuple[int, int, int]:
    """Return where a common stretch begins in `old` and in `new`, and how long it is."""
    prefix = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
                  min(len(old), len(new)))  # fmt: skip
    if 2 * prefix >= len(new) or not _hashable(old + new):
        return 0, 0, prefix
    found = SequenceMatcher(None, old, new, autojunk=False).find_longest_match()
    return found.a, found.b, found.size


def _hashable(items: list[Any]) -> bool:
    return not any(isinstance(item, dict | list) for item in items)
