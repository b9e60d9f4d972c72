"""A policy of one's own: a function, found by its import path."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

from common.errors import SettingError, describe, ends_process

_REMEDY = (
    "Write it as module:function, of a function that takes the selection context, and start the "
    "coordinator where it can be imported."
)


def load_own(name: str) -> Callable[..., Any]:
    """Return the function at an import path, such as ``mine:select``. It is not called.

    Raises:
        SettingError: If it cannot be imported, or cannot be a policy.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        msg = (
            f"The policy {name!r} cannot be loaded ({describe(error)}), so no run was started. "
            f"{_REMEDY}"
        )
        raise SettingError(msg) from None
    fault = _fault(module, found)
    if fault is not None:
        msg = f"The policy {name!r} {fault}, so no run was started. {_REMEDY}"
        raise SettingError(msg)
    loaded: Callable[..., Any] = found
    return loaded


def _fault(module: str, found: object) -> str | None:
    """Return why an object is no policy, as far as its looks tell."""
    if not callable(found) or inspect.isclass(found):
        return "is no function"
    if module.partition(".")[0] in sys.stdlib_module_names:
        return "belongs to Python itself and selects no clients"
    try:
        inspect.signature(found).bind(None)
    except (TypeError, ValueError):
        return "does not take exactly one argument"
    return None
