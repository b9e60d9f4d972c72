"""The catalogue of event kinds, as `docs/architecture.md` shows it.

``python -m scheduler.ledger.events.catalogue`` prints it.
"""

from __future__ import annotations

import inspect
import sys

from scheduler.ledger.events import PAYLOADS, Payload


def catalogue() -> str:
    """Return a Markdown table: each kind, what it is written for, and the fields of its body."""
    rows = [_row(kind, made) for kind, made in PAYLOADS.items()]
    return "\n".join(["| kind | says | body |", "|---|---|---|", *rows, ""])


def _row(kind: str, made: type[Payload]) -> str:
    first = inspect.cleandoc(made.__doc__ or "").partition("\n")[0]
    fields = ", ".join(f"`{name}`" for name in made.model_fields)
    return f"| `{kind}` | {first} | {fields} |"


if __name__ == "__main__":
    sys.stdout.write(catalogue())
