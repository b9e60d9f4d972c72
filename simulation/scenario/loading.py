"""Loading scenarios from TOML: files of one's own, and those that ship."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from common.errors import SettingError
from scheduler.policies.policy import find_policy, policy_options
from simulation.scenario.files import find_file
from simulation.scenario.scenario import Scenario

_SHIPPED = Path(__file__).parent / "scenarios"


def shipped() -> dict[str, Path]:
    """Return the scenarios that ship, by name."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}


def load_scenario(name: str | Path) -> Scenario:
    """Return the scenario in a TOML file, or the one that ships under a name.

    Raises:
        SettingError: If there is none, or with one line about the first thing in it that is wrong.
    """
    path = Path(name)
    if not path.is_file():
        path = _find_shipped(str(name))
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"The scenario {path} cannot be read ({error}), so nothing was simulated. Mend it."
        raise SettingError(msg) from error
    body.setdefault("name", path.stem)
    for part, key in (("signal", "path"), ("forecast", "path"), ("workload", "init_from")):
        if isinstance(body.get(part), dict) and key in body[part]:
            found = find_file(Path(str(body[part][key])), beside=path.parent)
            body[part] = body[part] | {key: found}
    return parse_scenario(body, source=str(path))


def parse_scenario(body: Mapping[str, Any], *, source: str) -> Scenario:
    """Return the scenario that a body describes.

    Args:
        body: As a TOML file holds it.
        source: Where it came from, for the error.

    Raises:
        SettingError: With one line about the first thing that is wrong.
    """
    for key in ("id", "workload", "seed"):
        if isinstance(body.get("run"), dict) and key in body["run"]:
            instead = {"id": "name", "workload": "[workload] name", "seed": "seed"}[key]
            msg = f"{source}: run.{key} is not set here, so nothing was simulated. Set {instead}."
            raise SettingError(msg)
    if isinstance(body.get("run"), dict) and "init_from" in body["run"]:
        msg = (
            f"{source}: a scenario names its first model by file, so nothing was simulated. Leave "
            "out run.init_from, and set workload.init_from to a safetensors file."
        )
        raise SettingError(msg)
    try:
        scenario = Scenario.model_validate(dict(body))
    except ValidationError as error:
        msg = f"{source}: {_explained(error)} Nothing was simulated."
        raise SettingError(msg) from None
    find_policy(scenario.run.policy)
    policy_options(scenario.run.policy, scenario.run.policy_options)
    return scenario


def _find_shipped(name: str) -> Path:
    known = shipped()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"These ship: {', '.join(known)}."
    msg = f"There is no scenario {name!r}, neither a file nor one that ships. {hint}"
    raise SettingError(msg)


def _explained(error: ValidationError) -> str:
    """Return one sentence about the first fault; a misspelt key comes before a missing one."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    first = faults[0]
    where = ".".join(str(step) for step in first["loc"]) or "the scenario"
    if first["type"] == "extra_forbidden":
        *parents, key = first["loc"]
        known = _fields(Scenario, parents)
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
        return f"{where} is not known: {hint}"
    if first["type"] == "missing":
        return f"{where} is missing."
    text = first["msg"].removeprefix("Value error, ")
    given = f", not {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
    return f"{where}: {text[:1].lower()}{text[1:]}{given}."


def _fields(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Return the names of the fields of the part of a model that a path leads to."""
    for step in path:
        found = model.model_fields.get(str(step))
        if found is not None:
            parts = [found.annotation, *getattr(found.annotation, "__args__", ())]
            model = next(p for p in parts if isinstance(p, type) and issubclass(p, BaseModel))
    return list(model.model_fields)
