"""The parameters of a run: its whole specification, flat, by name."""

from __future__ import annotations

from typing import Any

from scheduler.ledger.run_spec import RunSpec

Parameter = bool | int | float | str


def parameters(spec: RunSpec) -> dict[str, Parameter]:
    """Return what a run was given, by dotted name; what was left out is absent.

    >>> made = parameters(RunSpec(id="r", workload="digits", rounds=3))
    >>> made["rounds"], made["hyperparameters.epochs"], "grams" in made
    (3, 1, False)
    """
    return dict(_flat("", spec.model_dump(mode="json")))


def _flat(prefix: str, entries: dict[str, Any]) -> list[tuple[str, Parameter]]:
    found: list[tuple[str, Parameter]] = []
    for name, value in entries.items():
        if isinstance(value, dict):
            found += _flat(f"{prefix}{name}.", value)
        elif isinstance(value, bool | int | float | str):
            found.append((f"{prefix}{name}", value))
        elif value is not None:
            found.append((f"{prefix}{name}", str(value)))
    return found
