"""The address of Redis, checked where it is read: Celery would end with a traceback."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from common.errors import SettingError

REDIS_SCHEMES = ("redis", "rediss")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_redis = parts.scheme in REDIS_SCHEMES and parts.port != 0
        fault = "" if is_redis else "no redis:// or rediss://"
    except ValueError as error:
        fault = str(error)
    if fault:
        msg = (
            f"FAIRWIND_REDIS_URL is not a Redis address ({fault}), so nothing can be sent. "
            "Write it as redis://user:password@host:6379/0."
        )
        raise SettingError(msg)
    return url


RedisAddress = Annotated[str, AfterValidator(_checked)]
"""``redis://user:password@host:6379/0``, or ``rediss://`` for TLS.

Another one raises `SettingError`, not pydantic's error, which would show the password.
"""
