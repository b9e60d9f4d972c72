"""A function of the user's, found by its import path."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from common.errors import SettingError, describe, ends_process

PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""An import path: ``module:function``."""


def load_function(
    path: str,
    *,
    role: str,
    takes: str,
    arguments: int,
    options: Mapping[str, Any] | None = None,
    run_options: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Return the function at an import path, such as ``mine:select``. It is not called.

    Args:
        path: ``module:function``.
        role: What it stands for, for the error: "policy".
        takes: What it is called with, for the error: "the selection context".
        arguments: How many positional arguments that is.
        options: Keyword arguments it is called with.
        run_options: Those of the run, which it is called with if it has a parameter ``options``.

    Raises:
        SettingError: If it cannot be imported, or cannot be called like that.
    """
    module, _, function = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:
        if ends_process(error):
            raise
        fault: str | None = f"cannot be loaded ({describe(error)})"
    else:
        named = dict(options or {})
        if run_options is not None and takes_options(found):
            named["options"] = run_options
        fault = _fault(module, found, arguments=arguments, options=named)
    if fault is not None:
        msg = (
            f"The {role} {path!r} {fault}, so no run was started. Write it as module:function, of "
            f"a function that takes {takes}, and start the coordinator where it can be imported."
        )
        raise SettingError(msg)
    loaded: Callable[..., Any] = found
    return loaded


def parameters_of(function: object) -> Mapping[str, inspect.Parameter]:
    """Return a function's parameters by name; none of what is no function, or written in C."""
    if not callable(function):
        return {}
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        return {}


def takes_options(function: object) -> bool:
    """Return whether a function has a parameter named ``options``, for those of a run.

    >>> takes_options(lambda options: options), takes_options(lambda **options: options)
    (True, False)
    """
    found = parameters_of(function).get("options")
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def _fault(module: str, found: object, *, arguments: int, options: Mapping[str, Any]) -> str | None:
    """Return why an object cannot be such a function, as far as its signature shows."""
    if not callable(found) or inspect.isclass(found):
        return "is no function"
    if module.partition(".")[0] in sys.stdlib_module_names:
        return "belongs to Python itself"
    try:
        inspect.signature(found).bind(*[None] * arguments, **options)
    except (TypeError, ValueError) as error:
        return f"cannot be called like that ({error})"
    return None
