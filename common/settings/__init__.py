"""Every setting of Fairwind, read from environment variables that begin with ``FAIRWIND_``."""

from __future__ import annotations

import difflib
import os
import re
from functools import cache
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from common.clock import GridClock
from common.errors import SettingError
from common.settings.carbon import GateSettings, SignalSettings
from common.settings.site import SiteSettings

PREFIX = "FAIRWIND_"

_NOT_OURS = {f"{PREFIX}DATA", f"{PREFIX}FAILPOINT", f"{PREFIX}CLIENT"}
"""Read elsewhere: the folder of real traces, the fault tests' failpoint, a worker's client."""


class Settings(SignalSettings, GateSettings, SiteSettings):
    """Settings of one process. A name is the field's in capitals after ``FAIRWIND_``.

    Durations in hours and minutes are on the grid clock, those in seconds on the wall clock.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", allow_inf_nan=False
    )

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="the broker")
    home: Path = Field(
        default=Path("~/.fairwind"), description="folder of the ledger, the blobs and the outbox"
    )
    ledger_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the ledger; SQLite inside home if unset"
    )
    transport: str = Field(
        default="redis", description="where bytes wait in flight: redis, or folder:/a/shared/path"
    )
    transport_ttl_s: int = Field(
        default=86_400, ge=60, description="bytes nobody fetched vanish after this, wall seconds"
    )
    max_update_bytes: int = Field(
        default=8 * 2**30, ge=1, description="the largest update that is looked at, bytes"
    )

    tick_s: float = Field(default=5.0, gt=0, description="beat wakes the scheduler this often")
    heartbeat_s: float = Field(default=5.0, gt=0, description="a worker says it lives this often")
    silent_after_s: float = Field(
        default=20.0, gt=0, description="a client not heard of for this long is silent"
    )
    max_attempts: int = Field(
        default=5, ge=1, description="an assignment is issued at most this often in one round"
    )

    grid_speed: float = Field(default=1.0, gt=0, description="grid seconds per wall second")
    grid_start: AwareDatetime | None = Field(
        default=None, description="what the grid clock shows at wall_start"
    )
    wall_start: AwareDatetime | None = Field(
        default=None, description="the wall time at which the grid clock shows grid_start"
    )

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
        if self.grid_start is None or self.wall_start is None:
            msg = (
                "Only one of FAIRWIND_GRID_START and FAIRWIND_WALL_START is set, so the grid clock "
                "cannot be placed. Set both or neither."
            )
            raise SettingError(msg)
        return GridClock(
            wall_start=self.wall_start, grid_start=self.grid_start, speed=self.grid_speed
        )

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
        SettingError: If a variable in our prefix is unknown (the nearest name is offered) or its
            value does not fit.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known | _NOT_OURS:
            raise SettingError(_unknown(name, known))
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0] if first['loc'] else ''}".upper()
        msg = (
            f"{name}={os.environ.get(name, '')!r} does not fit: {first['msg'].lower()}. "
            f"Nothing was started. Correct it; `fairwind settings` lists what each setting takes."
        )
        raise SettingError(msg) from None
    except SettingsError as error:
        # pydantic-settings parses JSON before pydantic sees it, and names the field in its text.
        field = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        name = f"{PREFIX}{field}".upper()
        msg = (
            f"{name}={os.environ.get(name, '')!r} does not fit: it is not JSON. Nothing was "
            f"started. Correct it; `fairwind settings` lists what each setting takes."
        )
        raise SettingError(msg) from None


def without_password(url: str) -> str:
    """Return a URL as it may be shown: user and host, no password."""
    hidden = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"(password=)[^&]*", r"\1***", hidden)


def _unknown(name: str, known: set[str]) -> str:
    # Without the prefix, which would make all names alike.
    bare = {other.removeprefix(PREFIX) for other in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    hint = f"Did you mean {PREFIX}{near[0]}?" if near else "`fairwind settings` lists all names."
    return f"There is no setting {name}, so it would have no effect. {hint}"
