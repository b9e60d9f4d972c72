"""A run as the text of a run file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scheduler.ledger.run_spec import RunSpec


def to_toml(spec: RunSpec) -> str:
    """Return a run as a file that starts another one like it; without its id, which is taken."""
    entries = spec.model_dump(mode="json", exclude={"id"})
    if spec.cohort is None and not spec.is_async:
        entries["cohort"] = "all"  # what is left out is chosen anew
    return "\n".join(_lines(entries, "")) + "\n"


def _lines(table: Mapping[str, Any], path: str) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    for key, value in table.items():
        if key not in inner and value is not None:
            yield f"{_key(key)} = {_text(value)}"
    for key, value in inner.items():
        if value:
            whole = f"{path}{_key(key)}"
            yield f"\n[{whole}]"
            yield from _lines(value, f"{whole}.")


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _text(key)


def _text(value: str | float) -> str:
    # JSON writes strings and numbers as TOML does, but for one character that it leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
