"""The TOML file in which settings may stand: the one of FAIRWIND_CONFIG, or of FAIRWIND_HOME."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, TomlConfigSettingsSource

from common.errors import SettingError
from common.settings.names import CONFIG, ENVIRONMENT_ONLY, PREFIX, nearest, variable

NAME = "fairwind.toml"


def config_path(default_home: Path) -> Path | None:
    """Return the settings file of this process; `None` if there is none.

    Raises:
        SettingError: If FAIRWIND_CONFIG names no file. The null device stands for *no file*.
    """
    named = os.environ.get(CONFIG)
    if named == os.devnull:
        return None
    if named:
        path = Path(named).expanduser().absolute()
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises in a closed folder
            msg = (
                f"{CONFIG} names {path}, where this user sees no file. Nothing was started. Create "
                f"the file, correct {CONFIG}, or unset it."
            )
            raise SettingError(msg)
        return path
    home = Path(os.environ.get(f"{PREFIX}HOME") or default_home)
    path = home.expanduser().absolute() / NAME
    return path if os.path.isfile(path) else None  # noqa: PTH113 - (the same)


class ConfigFileSource(TomlConfigSettingsSource):
    """The settings of the file, without those that the environment sets.

    The environment replaces a table of the file as a whole; pydantic-settings would mix them.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self._known = set(settings_cls.model_fields)
        super().__init__(settings_cls, config_path(settings_cls.model_fields["home"].default))

    def __call__(self) -> dict[str, Any]:
        """Return the values that the file decides."""
        stronger = self.current_state
        return {name: value for name, value in super().__call__().items() if name not in stronger}

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        values = read(file_path)
        if fault := _fault(values, self._known):
            msg = f"{file_path} {fault}"
            raise SettingError(msg)
        return values


def read(path: Path | Traversable) -> dict[str, Any]:
    """Return what stands in a TOML file.

    Raises:
        SettingError: If it cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        fault, remedy = f"cannot be read ({error.strerror})", "Let the user that runs this read it"
    except (ValueError, RecursionError) as error:  # also of an integer with too many digits
        fault, remedy = f"is not TOML ({error})", "Correct it"
    msg = f"{path} {fault}. Nothing was started. {remedy}."
    raise SettingError(msg)


def _fault(values: Mapping[str, Any], known: set[str]) -> str | None:
    """Return what is wrong with the names in a file, what follows and what to do."""
    for name, value in values.items():
        if name not in known:
            return _unknown(name, known)
        if isinstance(value, bool):  # pydantic would take it for 1 or 0
            return (
                f"sets {name} to {str(value).lower()}, but no setting is true or false. Nothing "
                "was started. Give it a value that `fairwind settings` describes."
            )
        if isinstance(value, Mapping) and (swallowed := known & set(value)):
            inside = min(swallowed)
            return (
                f"sets {inside} below the line [{name}], which makes it an entry of that table. "
                f"Nothing was started. Move {inside} above the first line in brackets."
            )
    if "home" in values and not os.environ.get(CONFIG):
        return (
            "sets home, but was itself found in FAIRWIND_HOME, so the line could only contradict "
            f"it. Nothing was started. Remove the line, or name the file in {CONFIG}."
        )
    return None


def _unknown(name: str, known: set[str]) -> str:
    own = variable(name.upper().removeprefix(PREFIX))
    if own in ENVIRONMENT_ONLY:
        return (
            f"sets {name}, which only the environment can. Nothing was started. Remove the line "
            f"and set {own}."
        )
    near = nearest(name, known)
    hint = f"Did you mean {near}?" if near else "`fairwind settings` lists all names."
    return f"sets {name}, but there is no such setting. Nothing was started. {hint}"
