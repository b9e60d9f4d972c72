"""The file in which a site's administrator writes its policy: TOML, checked line by line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import SettingError
from common.settings.duration import Seconds
from common.small_file import read_small
from tasks.site.site_hours import check_window

ANY = "any"
"""In the place of a workload's hash: whatever its source is."""

LARGEST_NBYTES = 1 << 16
"""A policy has a few hundred bytes; what nests in a megabyte would be parsed for hours."""

Window = Annotated[str, AfterValidator(check_window)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
SourceHash = Annotated[str, Field(pattern=rf"^({ANY}|sha256:[0-9a-f]{{64}})$")]


class _Table(BaseModel):
    """A table of the file: no key that is not known, and no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Limits(_Table):
    """What one assignment, and all of a UTC day, may ask of the site; absent is no limit."""

    training_s: Seconds | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    examples: int | None = Field(default=None, ge=1)
    memory_mb: float | None = Field(default=None, gt=0)
    model_mb: float | None = Field(default=None, gt=0)
    mb_per_day: float | None = Field(default=None, ge=0)
    energy_wh_per_day: float | None = Field(default=None, ge=0)
    trainings_per_day: int | None = Field(default=None, ge=0)


class Leaves(_Table):
    """What may leave the site beside an update; absent is everything, and exact."""

    metrics: list[Name] | None = Field(default=None, max_length=100)
    counts: Literal["exact", "bucketed"] | None = None


class PrivacyTable(_Table):
    """What the site's records may spend of their privacy; absent is no limit."""

    require: Literal["record"] | None = None
    epsilon: float | None = Field(default=None, gt=0)
    delta: float | None = Field(default=None, gt=0, lt=0.1)


class PolicyFile(_Table):
    """What stands in the file. A key that is absent leaves the site's setting in force."""

    runs: list[Name] | None = Field(default=None, max_length=1000)
    approve: Literal["first", "never"] | None = None
    hours: list[Window] | None = Field(default=None, max_length=100)
    ceiling_gco2eq_per_kwh: float | None = Field(default=None, ge=0)
    reading: Name | None = None
    reading_max_age_s: Seconds | None = Field(default=None, gt=0)
    workloads: dict[Name, SourceHash] | None = Field(default=None, max_length=1000)
    limits: Limits = Limits()
    leaves: Leaves = Leaves()
    privacy: PrivacyTable = PrivacyTable()

    @model_validator(mode="after")
    def _reading_has_a_ceiling(self) -> Self:
        if self.reading is not None and not Path(self.reading).is_absolute():
            msg = f"reading = {self.reading!r} is no absolute path"
            raise ValueError(msg)
        return self


def read_policy(path: Path) -> tuple[PolicyFile, str]:
    """Return what stands in a policy file, and its version: the beginning of its SHA-256.

    Raises:
        SettingError: If it cannot be read, is not TOML, or says what no policy can.
    """
    try:
        data = read_small(path, LARGEST_NBYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingError(_fault(path, f"cannot be read ({why})")) from error
    if len(data) > LARGEST_NBYTES:
        raise SettingError(_fault(path, f"has more than {LARGEST_NBYTES} bytes"))
    try:
        text = data.decode("utf-8")
        policy = PolicyFile.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise SettingError(_fault(path, _misfit(text, error))) from error
    except (ValueError, RecursionError) as error:  # also of an integer with too many digits
        raise SettingError(_fault(path, f"is not TOML ({error})")) from error
    return policy, sha256(data).hexdigest()[:12]


def _fault(path: Path, what: str) -> str:
    """Return one line: characters that would break it are shown as text."""
    line = (
        f"The site policy {path} {what}, so this site declines everything. Correct the file; "
        "`fairwind site policy` shows whether it can be read."
    )
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _misfit(text: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    keys = [key for key in first["loc"] if isinstance(key, str)]
    line = _line_of(text, keys)
    fault = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        inside = _TABLES.get(keys[0], PolicyFile) if keys[1:] else PolicyFile
        fault = f"there is no such key; the keys are {', '.join(inside.model_fields)}"
    where = f" in line {line}" if line else ""
    what = f" sets {'.'.join(keys)[:100]}{where}:" if keys else ":"
    return f"does not fit{what.replace(' sets', ',')} {fault[:1].lower()}{fault[1:]}"


_TABLES: dict[str, type[BaseModel]] = {
    "limits": Limits, "leaves": Leaves, "privacy": PrivacyTable,
}  # fmt: skip


def _line_of(text: str, keys: Sequence[Any]) -> int | None:
    """Return the number of the line that sets a key, as most people write TOML."""
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = [_bare(part) for part in header[1].split(".")]
            if table == list(keys):
                return number
        elif assigned := re.match(r"\s*([^=#]+?)\s*=", line):
            name = _bare(assigned[1])
            if [*table, name] == list(keys[: len(table) + 1]):
                return number
    return None


def _bare(name: str) -> str:
    return name.strip().strip("\"'")
