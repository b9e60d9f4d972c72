"""A run in a TOML file: read it, let the command line change it, check it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from common.duration import in_unit
from common.errors import SettingError
from common.settings.names import nearest
from common.workload_names import FLOWER, run_name
from scheduler.ledger.run_spec import RunSpec
from scheduler.policies.policy import policy_options
from tasks.cli.options import ARGUMENT, ENTRIES, FLAGS, TABLES

_CHOICES = {
    "workload": "options",
    "policy": "policy_options",
    "server_optimizer.name": "server_optimizer.options",
}
"""What is chosen by name, and the table of its own options: those of another choice do not fit."""

_LONGEST_STEM = 58
"""Of an id that is made: its number must fit into the 64 characters, too."""

_BUDGETS = ("rounds", "hours", "grams")


def read_run(path: Path) -> dict[str, Any]:
    """Return the entries of a run file.

    Raises:
        SettingError: If it cannot be read, is not TOML, or says no duration where one stands.
    """
    try:
        return _with_durations(tomllib.loads(path.read_text("utf-8")), path)
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    except (ValueError, RecursionError) as error:  # also of an integer with too many digits
        fault = f"is not TOML ({error})"
    msg = f"The run file {path} {fault}, so no run was started. Correct it."
    raise SettingError(msg)


def _with_durations(entries: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return entries with each duration as a number in its own unit."""
    for entry in ENTRIES:
        if entry.unit and entry.path in entries:
            try:
                entries[entry.path] = in_unit(entries[entry.path], entry.unit)
            except ValueError as error:
                msg = f"{path}: {entry.path} does not fit: {error} No run was started."
                raise SettingError(msg) from None
    return entries


def change(entries: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file asks for, changed by options, which are named by their path in it."""
    changed = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in entries.items()
    }
    for choice, options in _CHOICES.items():
        if choice in given and given[choice] != _at(changed, choice):
            _put(changed, options, {})
    for path, value in given.items():
        before = _at(changed, path)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        _put(changed, path, {**before, **value} if both else value)
    return changed


def named(entries: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Return a run file's entries with an id: its own, or the workload's name and a free number."""
    workload = run_name(str(entries["workload"])).removeprefix(FLOWER)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", workload).strip("-._")[:_LONGEST_STEM]
    free = next(name for n in count(1) if (name := f"{stem or 'run'}-{n}") not in taken)
    return {"id": free, **entries}


def make_spec(
    entries: Mapping[str, Any], *, file: Path | None, given: Mapping[str, Any]
) -> RunSpec:
    """Return the run that the entries describe.

    Args:
        entries: Of the file and the command line together, in the shape of a file.
        file: The file that a part of it comes from.
        given: The options of the command line, by their path in a file.

    Raises:
        SettingError: If it does not fit. The text names the option, or the entry of the file.
    """
    try:
        # As JSON, strictly: else true would be 1 round, and "3" three of them.
        spec = RunSpec.model_validate_json(to_json(entries), strict=True)
    except ValidationError as error:
        # A misspelt entry comes first: what is missing may be missing because of it.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        if not first["loc"] and all(entries.get(budget) is None for budget in _BUDGETS):
            msg = "A run must know when to end: give --rounds, --hours or --grams."
            raise SettingError(msg) from None
        path = ".".join(str(step) for step in first["loc"])
        if file is None or any(f"{path}.".startswith(f"{each}.") for each in given):
            where = {**FLAGS, **ARGUMENT}.get(path, path) or "The run"
        else:
            where = f"{file}: {path}" if path else f"The run in {file}"
        msg = f"{where} does not fit: {_fault(first)} No run was started."
        raise SettingError(msg) from None
    return spec.model_copy(
        update={"policy_options": policy_options(spec.policy, spec.policy_options)}
    )


def _at(entries: Mapping[str, Any], path: str) -> Any:
    found: Any = entries
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _put(entries: dict[str, Any], path: str, value: Any) -> None:
    table, _, key = path.rpartition(".")
    inner = entries.get(table) if table else entries
    if isinstance(inner, dict):
        inner[key] = value
    else:
        entries[table] = {key: value}


def _fault(error: ErrorDetails) -> str:
    """Return what is wrong as the end of a sentence, with its mark."""
    said = _clause(error)
    return said if said.endswith("?") else f"{said}."


def _clause(error: ErrorDetails) -> str:
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix("Value error, ")
    *tables, key = (str(step) for step in error["loc"])
    fields = TABLES.get(".".join(tables), RunSpec).model_fields
    inside = [table for table, model in TABLES.items() if key in model.model_fields]
    if inside and not tables:
        return f"there is no such entry; {key} stands under [{inside[0]}]"
    near = nearest(key, fields)
    return f"there is no such entry; did you mean {near}?" if near else "there is no such entry"
