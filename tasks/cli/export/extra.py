"""Whether the optional package that a target needs is installed."""

from __future__ import annotations

from importlib.util import find_spec

from common.errors import ExportError
from common.extras import how_to_install


def require_extra(module: str, *, name: str) -> None:
    """Check that a module is there, which the extra of the same name installs.

    Raises:
        ExportError: If it is not.
    """
    if find_spec(module) is None:
        msg = (
            f"{name} is not installed, so nothing was exported. Install it, "
            f"{how_to_install(module)}"
        )
        raise ExportError(msg)
