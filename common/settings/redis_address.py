"""The address of Redis, checked where it is read, for every program that connects to it.

Celery, redis-py and Flower each read an address in their own way, and end with a traceback on what
they cannot read. Only what all of them read alike is accepted.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator

from common.errors import SettingError

REDIS_SCHEMES = ("redis", "rediss")

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that no other machine reaches."""

_FORM = "redis://user:password@host:6379/0"

SSL_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = ("ssl_cert_reqs", *SSL_FILES)
"""What may follow the question mark of a rediss:// address."""

_BEGINS = tuple(f"{scheme}://" for scheme in REDIS_SCHEMES)
_DATABASE = re.compile(r"/?[0-9]{0,4}")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _checked(url: str, *, name: str = "FAIRWIND_REDIS_URL") -> str:
    if fault := _fault(url):
        msg = (
            f"{name} is not a Redis address ({fault}), so nothing can be sent. "
            "Percent-encode / # ? [ ] @ : ; and % in user and password (/ is %2F, # is %23, % is "
            f"%25). Write it as {_FORM}."
        )
        raise SettingError(msg)
    return url


def _fault(url: str) -> str | None:
    """Return what is wrong with an address, without a word of it: any may be of the password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "host and port cannot be read"
    faults = {
        "it holds a blank or a line break": _BLANK.search(url),
        "it does not begin with redis:// or rediss://": not url.startswith(_BEGINS),
        "it names no host, or port 0": not _HOST.fullmatch(host) or port == 0,
        "its host is no name that can be looked up": not _can_be_looked_up(host),
        "a % in it is not followed by two hexadecimal digits": _BAD_PERCENT.search(url),
        "it holds a # or a ;": "#" in url or ";" in url,
        "what follows the host and a / is no number of a database": not _DATABASE.fullmatch(
            parts.path
        ),
    }
    return next((fault for fault, holds in faults.items() if holds), None) or _bad_option(parts)


def _can_be_looked_up(host: str) -> bool:
    """Return whether each label of a name has 1 to 63 characters; IPv6 addresses have none."""
    try:
        host.encode("idna")  # as `socket` does, whose UnicodeError is no error of a connection
    except UnicodeError:
        return ":" in host
    return True


def _bad_option(parts: SplitResult) -> str | None:
    """Return what is wrong with the options of an address."""
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if names and parts.scheme != "rediss":
        database = "; a database is named as /3" if "db" in names else ""
        return f"redis:// takes no options after a ?{database}"
    if len(set(names)) < len(names) or not set(names) <= set(_OPTIONS):
        database = "; a database is named as /3" if "db" in names else ""
        return f"after the ? it may have {', '.join(_OPTIONS)}, each once{database}"
    given = dict(options)
    if given.get("ssl_cert_reqs", "required") != "required":
        return "ssl_cert_reqs can only be required: certificates are always checked"
    if "ssl_keyfile" in given and "ssl_certfile" not in given:
        return "ssl_keyfile needs ssl_certfile beside it"
    return None


RedisAddress = Annotated[str, AfterValidator(_checked)]
"""``redis://user:password@host:6379/0``, or ``rediss://`` for TLS.

Another one raises `SettingError`, not pydantic's error, which would show the password.
"""


def _without_user(url: str) -> str:
    _checked(url, name=_KIT_URL)
    if "@" in urlsplit(url).netloc:
        msg = (
            f"{_KIT_URL} holds a user or a password, which each kit has of its own, so no kit can "
            "be made. Leave out what stands before the @, and the @."
        )
        raise SettingError(msg)
    return url


_KIT_URL = "FAIRWIND_KIT_REDIS_URL"

PublicRedisAddress = Annotated[str, AfterValidator(_without_user)]
"""The same without user and password, as it may be passed on."""


@dataclass(frozen=True)
class RedisPlace:
    """Where an address leads, without user and password.

    Attributes:
        ca_file: The authority that its certificate is checked with; `None` for the public ones.
    """

    host: str
    port: int
    database: int
    tls: bool
    ca_file: str | None


def place_of(url: RedisAddress) -> RedisPlace:
    """Return where an address leads."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return RedisPlace(
        host=parts.hostname or "", port=parts.port or 6379,
        database=int(parts.path.strip("/") or 0), tls=parts.scheme == "rediss",
        ca_file=options.get("ssl_ca_certs"),
    )  # fmt: skip


def tls_options(url: RedisAddress) -> dict[str, Any] | None:
    """Return what kombu and Flower need to check certificates; `None` for an address without TLS.

    By themselves, they would encrypt without checking the certificate.
    """
    if not url.startswith("rediss://"):
        return None
    given = dict(parse_qsl(urlsplit(url).query))
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, **{name: given.get(name) for name in SSL_FILES}}
