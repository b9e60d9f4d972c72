"""The tables of docs/settings.md, made from the settings themselves.

``python -m tests.unit.common.settings_page`` writes them into the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from common.settings import Settings
from common.settings.carbon import GateSettings, SignalSettings
from common.settings.site import SiteSettings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"

HEADING = "## All settings\n"

GROUPS: dict[str, type[BaseSettings]] = {
    "Every process": Settings,
    "Carbon signals": SignalSettings,
    "Gates, scores and accounts": GateSettings,
    "Sites": SiteSettings,
}

UNITS = {
    "gco2eq_per_kwh": "gCO2eq/kWh",
    "kwh_per_gb": "kWh/GB",
    "w_per_gb": "W/GB",
    "watts_per_core": "W",
    "per_hour": "requests/h",
    "kgco2eq": "kgCO2eq",
    "lifetime_h": "h",
    "mb_per_day": "MB/day",
    "mb": "MB",
    "bytes": "bytes",
    "min": "min, grid clock",
    "h": "h, grid clock",
    "s": "s, wall clock",
    "w": "W",
}
"""Ends of names, and the unit that each stands for; the first that fits counts."""


def tables() -> str:
    """Return the page from its heading *All settings* to its end."""
    return HEADING + "".join(_group(heading, group) for heading, group in GROUPS.items())


def _group(heading: str, group: type[BaseSettings]) -> str:
    inherited = {name for base in group.__bases__ for name in getattr(base, "model_fields", {})}
    rows = [_row(name, group) for name in group.model_fields if name not in inherited]
    head = "| setting | default | unit | meaning |\n|---|---|---|---|"
    return "\n".join([f"\n### {heading}\n", head, *rows]) + "\n"


def _row(name: str, group: type[BaseSettings]) -> str:
    field = group.model_fields[name]
    unit = next((unit for end, unit in UNITS.items() if f"_{name}".endswith(f"_{end}")), "")
    return f"| `{name}` | {_shown(field.default)}{_others(field)} | {unit} | {field.description} |"


def _others(field: FieldInfo) -> str:
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    others = [f"`{word}`" for word in words if word != field.default]
    return f"; or {', '.join(others)}" if others else ""


def _shown(default: object) -> str:
    if default is PydanticUndefined or default is None or default == ():
        return "none"
    if isinstance(default, int | float):
        return str(default) if isinstance(default, int) else f"{default:g}"
    words = default if isinstance(default, tuple) else (default,)
    return f"`{','.join(str(word) for word in words)}`"


if __name__ == "__main__":
    kept = PAGE.read_text("utf-8").partition(HEADING)[0]
    PAGE.write_text(kept + tables(), "utf-8")
