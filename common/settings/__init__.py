"""Every setting of Fairwind: from ``FAIRWIND_`` variables, a TOML file, or its default."""

from __future__ import annotations

import os
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from common.clock import GridClock, wall_now
from common.clock_start import begun_at
from common.errors import SettingError
from common.settings.carbon import GateSettings, SignalSettings
from common.settings.comma_list import CommaList
from common.settings.config_file import ConfigFileSource, config_path, read
from common.settings.duration import Seconds, WholeSeconds
from common.settings.names import ENVIRONMENT_ONLY, PREFIX, in_environment, nearest, variable
from common.settings.redis_address import PublicRedisAddress, RedisAddress
from common.settings.site import SiteSettings

Origin = Literal["environment", "file", "default"]
"""Where the value of a setting comes from, strongest first."""


class Settings(SignalSettings, GateSettings, SiteSettings):
    """Settings of one process. A variable is the field's name in capitals after ``FAIRWIND_``.

    The environment wins over the file of `config_file`, and the file over the default. Durations
    in hours and minutes are on the grid clock, those in seconds on the wall clock.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", allow_inf_nan=False
    )

    redis_url: RedisAddress = Field(default="redis://127.0.0.1:6379/0", description="the broker")
    kit_redis_url: PublicRedisAddress | None = Field(
        default=None,
        description="where sites reach the broker, for their kits, without user and password; "
        "as redis_url if unset",
    )
    home: Path = Field(
        default=Path("~/.fairwind"), description="folder of the ledger, the blobs and the outbox"
    )
    ledger_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the ledger; SQLite inside home if unset"
    )
    transport: str = Field(
        default="redis",
        description="what carries models and updates: redis, or folder:/a/shared/path",
    )
    transport_ttl_s: WholeSeconds = Field(
        default=86_400,
        ge=60,
        description="models and updates that were not fetched are deleted after this",
    )
    max_update_bytes: int = Field(
        default=8 * 2**30, ge=1, description="the largest update that is accepted"
    )

    page_hosts: CommaList = Field(
        default=(),
        description="names under which a reverse proxy serves Flower and the page, e.g. "
        "fed.example.org; loopback and the address at which Flower listens are served anyway",
    )

    tick_s: Seconds = Field(default=5.0, gt=0, description="beat wakes the coordinator this often")
    heartbeat_s: Seconds = Field(
        default=5.0, gt=0, description="a worker sends a heartbeat this often"
    )
    silent_after_s: Seconds = Field(
        default=20.0,
        gt=0,
        le=86_400,
        description="a client without a heartbeat for this long is silent",
    )
    max_attempts: int = Field(
        default=5,
        ge=1,
        description="an assignment that is lost at its site is issued at most this often",
    )

    remote_control: bool = Field(
        default=False,
        description="the coordinator answers Flower's inspections; no message changes a worker",
    )

    grid_speed: float = Field(default=1.0, gt=0, description="grid seconds per wall second")
    grid_start: AwareDatetime | None = Field(
        default=None, description="what the grid clock shows at wall_start"
    )
    wall_start: AwareDatetime | None = Field(
        default=None, description="the wall time at which the grid clock shows grid_start"
    )
    wall_start_file: Path | None = Field(
        default=None,
        description="a file that will hold wall_start; until it is there the grid clock stands at "
        "grid_start, and the coordinator waits",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, strongest first; called by pydantic-settings."""
        return init_settings, env_settings, ConfigFileSource(settings_cls)

    @property
    def clock(self) -> GridClock:
        """The grid clock these settings describe."""
        if self.grid_start is None and self.wall_start is None:
            if self.grid_speed != 1:
                msg = (
                    f"FAIRWIND_GRID_SPEED is {self.grid_speed:g}, but not from when on, so the "
                    "grid clock cannot be placed. Set FAIRWIND_GRID_START and FAIRWIND_WALL_START."
                )
                raise SettingError(msg)
            return GridClock()
        begun = self.wall_start or self._begun()
        if self.grid_start is None or begun is None:
            msg = (
                "Only one of FAIRWIND_GRID_START and FAIRWIND_WALL_START is set, so the grid clock "
                "cannot be placed. Set both or neither."
            )
            raise SettingError(msg)
        return GridClock(wall_start=begun, grid_start=self.grid_start, speed=self.grid_speed)

    def _begun(self) -> datetime | None:
        """Return when the grid clock begins by its file: now, as long as that is not there."""
        if self.wall_start_file is None:
            return None
        return begun_at(self.wall_start_file) or wall_now()

    @property
    def ledger(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.ledger_url or f"sqlite:///{self.folder / 'ledger.sqlite'}"

    @property
    def folder(self) -> Path:
        """`home`, absolute."""
        return self.home.expanduser().absolute()


@cache
def load() -> Settings:
    """Return this process's settings.

    Raises:
        SettingError: If a name in the environment or the file is unknown (the nearest one is
            offered), a value does not fit, or the file cannot be read.
    """
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known | ENVIRONMENT_ONLY:
            raise SettingError(_unknown(name))
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        fault = first["msg"].removeprefix("Value error, ").rstrip(".")
        name = str(first["loc"][0]) if first["loc"] else ""
        misfit = _misfit(name, fault[:1].lower() + fault[1:])
    except SettingsError as error:
        # pydantic-settings parses JSON before pydantic sees it, and names the field in its text.
        field = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        misfit = _misfit(field, "it is not JSON")
    raise SettingError(misfit)


def origins() -> dict[str, Origin]:
    """Return where the value of each setting comes from."""
    path = settings_file()
    in_file = read(path) if path else {}
    return {
        name: "environment" if in_environment(name) else "file" if name in in_file else "default"
        for name in Settings.model_fields
    }


def settings_file() -> Path | None:
    """Return the settings file of this process, or `None` if it reads none."""
    return config_path(Settings.model_fields["home"].default)


def is_secret(name: str, value: object) -> bool:
    """Return whether the value of a setting must not be shown."""
    in_url = name.endswith("_url") and without_password(str(value)) != str(value)
    return in_url or isinstance(value, SecretStr)


def without_password(url: str) -> str:
    """Return a URL as it may be shown: user and host, no password."""
    hidden = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"(password=)[^&]*", r"\1***", hidden)


def _unknown(name: str) -> str:
    near = nearest(name, Settings.model_fields)
    hint = f"Did you mean {variable(near)}?" if near else "`fairwind settings` lists all names."
    return f"There is no setting {name}, so it would have no effect. {hint}"


def _misfit(name: str, fault: str) -> str:
    path = settings_file()
    if path is None or in_environment(name):
        what = f"{variable(name)}={os.environ.get(variable(name), '')!r}"
    else:
        secret = SecretStr in get_args(Settings.model_fields[name].annotation)
        what = f"{path}: {name} = {'...' if secret else repr(read(path).get(name))}"
    return (
        f"{what} does not fit: {fault}. Nothing was started. Correct it; `fairwind settings` lists "
        "what each setting takes."
    )
