"""Settings that a command writes into the settings file, which is the administrator's otherwise."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from common.errors import SettingError
from common.private_files import write_private
from common.settings.config_file import read


def write_settings(path: Path, values: Mapping[str, str]) -> None:
    """Set some settings in a file and leave all others, and its comments, as they are.

    The file is made where there is none. Its owner alone can read it from then on.

    Args:
        path: A TOML file.
        values: Texts, by the names of their settings.

    Raises:
        SettingError: If the file cannot be read, changed or written.
    """
    before = read(path) if path.exists() else {}
    text = path.read_text("utf-8") if before else ""
    for name, value in reversed(list(values.items())):
        text = _with(text, name, value)
    try:
        after = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        after = {}
    if after != {**before, **values}:
        msg = (
            f"{path} is written in a way that no command can change, so nothing was changed. "
            f"Remove the lines that set {', '.join(values)} from it, and run the command again."
        )
        raise SettingError(msg)
    try:
        write_private(path, text.encode())
    except OSError as error:
        msg = (
            f"{path} cannot be written ({error.strerror}), so nothing was changed. Let this user "
            "write there, or set FAIRWIND_HOME to another folder."
        )
        raise SettingError(msg) from None


def _with(text: str, name: str, value: str) -> str:
    """Return a file's text in which a setting has a value: in its line, or in a new first one."""
    line = f"{name} = {json.dumps(value)}"
    own = re.compile(rf"^[ \t]*{name}[ \t]*=.*$", re.MULTILINE)
    if own.search(text):
        return own.sub(lambda _: line, text, count=1)
    return f"{line}\n{text}"
