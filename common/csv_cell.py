"""Cells of a CSV file that a spreadsheet shows and does not run.

A text that begins with ``=``, ``+``, ``-`` or ``@`` is a formula there, which may read other cells
or call a program: https://owasp.org/www-community/attacks/CSV_Injection.
"""

from __future__ import annotations

from typing import Any, Final

from common.duration import is_number
from common.visible import visible

_BEGINS_FORMULA: Final = ("=", "+", "-", "@")


def csv_cell(value: Any) -> Any:
    r"""Return a value as a cell: numbers as they are, a formula behind an apostrophe.

    >>> [csv_cell(value) for value in ("=1+1", "-0.5", -0.5, "lyon\n", None)]
    ["'=1+1", '-0.5', -0.5, 'lyon\\n', None]
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    if text.lstrip().startswith(_BEGINS_FORMULA) and not is_number(text):
        return f"'{text}"
    return text
