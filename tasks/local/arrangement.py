"""What `fairwind up` brings up: by its options, this shell's settings, and its folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from common import settings as settings_
from common.errors import BrokerError
from common.messages import NAME_PATTERN
from common.settings.names import CONFIG, PREFIX
from common.settings.redis_address import LOOPBACK
from tasks.local.ports import free_port, wanted_port
from tasks.local.remembered import Remembered


class Sites(click.ParamType[dict[str, str]]):
    """Sites with their zones: ``lyon:FR,oslo:NO-NO1``."""

    name = "CLIENT:ZONE,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        """Return the zone of each client."""
        zones: dict[str, str] = {}
        for word in filter(None, re.split(r"[,\s]+", str(value))):
            client, colon, zone = word.partition(":")
            if not (colon and zone and re.fullmatch(NAME_PATTERN, client)):
                self.fail(
                    f"{word!r} names no site and zone. Write, for instance, lyon:FR,oslo:NO-NO1; "
                    "`fairwind zones` lists the zones.",
                    param, ctx,
                )  # fmt: skip
            if zones.setdefault(client, zone) != zone:
                self.fail(
                    f"{client} is named in two zones, {zones[client]} and {zone}. A site lies in "
                    "one zone: give the second a name of its own.",
                    param, ctx,
                )  # fmt: skip
        return zones


@dataclass(frozen=True)
class Wanted:
    """What the options of `fairwind up` ask for.

    Attributes:
        zones: Sites to enrol and to run here, with their zones, beside those of before.
        workloads: Workloads that may be loaded, beside those of before and of FAIRWIND_WORKLOADS.
        port: Of Flower; `None` for that of before.
    """

    zones: Mapping[str, str]
    workloads: tuple[str, ...]
    port: int | None


def remember(folder: Path, wanted: Wanted) -> Remembered:
    """Return what a folder holds and what is wanted, as one.

    Raises:
        SettingError: If the port that is wanted is taken.
    """
    before = Remembered.of(folder)
    return before.model_copy(
        update={
            "sites": tuple(dict.fromkeys([*before.sites, *wanted.zones])),
            "workloads": tuple(dict.fromkeys([*before.workloads, *wanted.workloads])),
            "redis_port": free_port(before.redis_port),
            "page_port": wanted_port(wanted.port, before.page_port),
        }
    )


def settings_of(folder: Path, kept: Remembered) -> dict[str, str]:
    """Return the settings of a folder's federation: this shell's, with what is kept there.

    Args:
        folder: Where it is kept, absolute.
        kept: What runs in it.

    Raises:
        SettingError: If a setting of this shell does not fit.
    """
    ours, file = settings_.load(), settings_.settings_file()
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in ("CLIENT", "REDIS_URL"):
        given.pop(f"{PREFIX}{name}", None)
    return {
        f"{PREFIX}HOME": str(folder / "home"),
        **given,
        CONFIG: str(file) if file else os.devnull,
        f"{PREFIX}WORKLOADS": _joined(ours.workloads, kept.workloads),
        # Among these the shipped workloads split their data.
        f"{PREFIX}PARTITION": _joined(ours.partition, kept.sites),
    }


def broker_of(kept: Remembered) -> tuple[str | None, int]:
    """Return the Redis server to use: the URL of one that answers, else the port for our own.

    Raises:
        BrokerError: If FAIRWIND_REDIS_URL names a server of another host that does not answer.
    """
    if settings_.origins()["redis_url"] == "default":
        return None, kept.redis_port
    url = settings_.load().redis_url
    if _answers(url):
        return url, 0
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        msg = (
            f"Redis at {settings_.without_password(url)} does not answer, so nothing was started. "
            "Start it, or unset FAIRWIND_REDIS_URL: `fairwind up` then brings a server of its own."
        )
        raise BrokerError(msg)
    return None, free_port(parts.port or kept.redis_port)


def site_env(folder: Path, sites: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return what makes sites with a settings file of their own read that one."""
    files = {site: folder / "sites" / site / "fairwind.toml" for site in sites}
    return {site: {CONFIG: str(file)} for site, file in files.items() if file.exists()}


def _joined(first: tuple[str, ...], then: tuple[str, ...]) -> str:
    return ",".join(dict.fromkeys([*first, *then]))


def _answers(url: str) -> bool:
    import redis  # noqa: PLC0415 - the list of all commands loads this module, too

    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            return bool(client.ping())
    except (redis.RedisError, ValueError):
        return False
