"""A Flower app on disk: what its pyproject.toml says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import WorkloadError
from common.workload_options import OptionsGiven

Config = Mapping[str, bool | int | float | str]
"""A run_config, nested keys joined by dots."""


@dataclass(frozen=True)
class FlowerProject:
    """A Flower app.

    Attributes:
        name: As a run names it, for texts.
        folder: Holds its pyproject.toml.
        client_app, server_app: References, "package.module:attribute".
        model: The same of a function that returns the model, in place of the ServerApp; `None`
            where the ServerApp says what the first model is.
        config: The defaults of its run_config.
    """

    name: str
    folder: Path
    client_app: str
    server_app: str
    model: str | None
    config: Config

    def run_config(self, options: OptionsGiven) -> dict[str, bool | int | float | str]:
        """Return the run_config of a run: the defaults, replaced by the run's options.

        An option may have underscores where the key has dashes.

        Raises:
            WorkloadError: If an option is no key of the app.
        """
        known = {key.replace("-", "_"): key for key in self.config}
        unknown = [name for name in options if name.replace("-", "_") not in known]
        if unknown:
            msg = (
                f"The Flower app {self.name} has no {', '.join(unknown)} under "
                "[tool.flwr.app.config], so the option would have no effect, and nothing is "
                f"trained. It has {', '.join(self.config) or 'none'}."
            )
            raise WorkloadError(msg)
        given = {known[name.replace("-", "_")]: value for name, value in options.items()}
        return {key: _like(given.get(key, value), value) for key, value in self.config.items()}


def read_project(name: str, folder: Path) -> FlowerProject:
    """Return the Flower app in a folder.

    Raises:
        WorkloadError: If there is none.
    """
    path = folder / "pyproject.toml"
    try:
        with path.open("rb") as file:
            app = tomllib.load(file)["tool"]
        parts = app["flwr"]["app"]["components"]
        return FlowerProject(
            name, folder.resolve(), parts["clientapp"], parts["serverapp"],
            app.get("fairwind", {}).get("model"),
            dict(_flat(app["flwr"]["app"].get("config", {}))),
        )  # fmt: skip
    except (OSError, tomllib.TOMLDecodeError) as error:
        msg = (
            f"The Flower app {name} cannot be read ({error}), so nothing can be trained with it. "
            "Name its folder in FAIRWIND_WORKLOADS, with the whole path: flower:/path/to/app."
        )
        raise WorkloadError(msg) from error
    except (KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{path} names no Flower app ({error} is missing), so nothing can be trained with it. "
            "Give clientapp and serverapp under [tool.flwr.app.components]."
        )
        raise WorkloadError(msg) from error


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _like(value: Any, usual: object) -> Any:
    """Return a value as the default has it: 1 for a rate is 1.0."""
    return float(value) if isinstance(usual, float) and type(value) is int else value
