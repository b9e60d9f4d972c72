"""Names of workloads: which ship, what a name looks like, and what may be loaded. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec

from common.settings.names import nearest

SHIPPED = {
    "digits": "models.workloads.digits",
    "breast_cancer": "models.workloads.breast_cancer",
    "pneumoniamnist": "models.workloads.pneumoniamnist",
    "tcga_brca": "models.workloads.tcga_brca",
    "fashion_mnist": "models.workloads.fashion_mnist",
}
"""The module of each workload that ships."""

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")


def name_fault(name: str) -> str | None:
    """Return why a text cannot name a workload, as the end of a sentence; `None` if it can.

    >>> name_fault("package.heart:workload")
    >>> name_fault("heart.py")
    "'heart.py' is a file: name its module, heart"
    """
    if name.endswith(".py"):
        return f"{name!r} is a file: name its module, {_module_of_file(name)}"
    if not _NAME.fullmatch(name):
        return (
            f"{name!r} names no workload: give one that ships ({', '.join(SHIPPED)}), or an import "
            "path, such as heart or package.heart:workload"
        )
    return None


def not_allowed(name: str, allowed: Sequence[str]) -> str:
    """Return what to say of a workload that FAIRWIND_WORKLOADS does not list."""
    near = nearest(name, {*allowed, *SHIPPED})
    hint = f"Did you mean {near}? Otherwise add" if near and near != name else "Add"
    return (
        f"The workload {name!r} is not allowed here, so it was not loaded. {hint} it to "
        f"FAIRWIND_WORKLOADS, which now holds {', '.join(allowed) or 'none'}, and restart the "
        "worker."
    )


def is_installed(name: str) -> bool:
    """Return whether the top-level module of a workload is found here. Nothing is imported.

    >>> is_installed("digits"), is_installed("no_such_module:workload")
    (True, False)
    """
    return name in SHIPPED or find_spec(re.split(r"[.:]", name, maxsplit=1)[0]) is not None


def _module_of_file(path: str) -> str:
    return re.split(r"[/\\]", path.removesuffix(".py"))[-1]
