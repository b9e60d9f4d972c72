"""Text of others as a screen may show it: what steers a terminal or deceives an eye is spelt out.

Names, reasons and figures reach a screen from sites, runs, workloads, carbon providers and Redis.
An escape sequence among them can rewrite what stands on a terminal, a newline can forge a line of
a log, and a bidirectional override or a character without width can make one name look like
another: Unicode Technical Report 36, https://www.unicode.org/reports/tr36/.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_UNSEEN: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # hyphens, joiners and fillers unseen
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # without width; separators; bidirectional
    "\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff"  # half of a character: no encoding takes it
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # musical format; tags and selectors
    "]"
)

_UNSEEN_BUT_LINES: Final = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))

_ESCAPED_IN_JSON: Final = re.compile(r"\\[bfnrtu]")


def visible(text: str) -> str:
    r"""Return a text as one line in which every character is seen.

    >>> print(visible("lyon\x1b[2J\n\u202egnp"))
    lyon\x1b[2J\n\u202egnp
    """
    return _UNSEEN.sub(_spelt, text)


def visible_lines(text: str) -> str:
    r"""Return a text whose line ends are our own, otherwise as `visible`.

    >>> print(visible_lines("first\nsecond\x07"))
    first
    second\x07
    """
    return _UNSEEN_BUT_LINES.sub(_spelt, text)


def visible_in(value: Any) -> Any:
    """Return a value of JSON with every text in it visible, names of entries, too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible_in(name): visible_in(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [visible_in(each) for each in value]
    return value


def visible_json(value: Any) -> str:
    r"""Return compact JSON for a page, with every text in it visible.

    >>> print(visible_json({"host": "a\x1bb"}))
    {"host":"a\\x1bb"}
    """
    text = _compact(value)
    if _UNSEEN.search(text) or _ESCAPED_IN_JSON.search(text):
        return _compact(visible_in(value))
    return text


def escaped_json(text: str) -> str:
    r"""Return JSON that a program reads as the same, and a terminal shows without harm.

    Args:
        text: JSON; its line ends are indentation.

    >>> print(escaped_json('"\x7f\u202e"'))
    "\u007f\u202e"
    """
    return _UNSEEN_BUT_LINES.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
