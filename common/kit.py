"""A site's kit: the one file with which a site joins a federation.

The coordinator's operator makes it and hands it to the site's administrator. It holds where Redis
is, the site's own user there, the coordinator's public key, and a one-time key. The key with which
the site signs is not in it: the site makes that one, and its public half is accepted because the
one-time key signed it. The coordinator signed the whole.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, Field, ValidationError

from common.errors import KitError, SettingError, SignatureError
from common.identity import Identity, PublicKey, canonical_json
from common.key_patterns import PUBLIC_KEY_PATTERN, SIGNATURE_PATTERN
from common.message import Message
from common.messages import NAME_PATTERN
from common.private_files import write_private
from common.small_file import without_waiting

VERSION = 1
"""Of the file's form. A site reads no other one."""

MAX_NBYTES = 1 << 17
"""A kit is no larger: authorities' certificates take a few kB."""

_MAX_CA_CHARS = 1 << 16


class KitRedis(Message):
    """Where Redis is, and as whom the site reaches it.

    Attributes:
        host, port, database: As the site reaches it, from outside.
        tls: Whether it is reached by TLS; its certificate is then always checked.
        user, password: The site's own.
        ca: Certificate of the authority to check with, in PEM; `None` for the public ones.
    """

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,255}$")
    port: int = Field(ge=1, le=65_535)
    database: int = Field(ge=0, le=9999)
    tls: bool
    user: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    password: str = Field(pattern=r"^[A-Za-z0-9_-]{16,200}$")
    ca: str | None = Field(default=None, max_length=_MAX_CA_CHARS)

    def address(self, ca_file: Path | None) -> str:
        """Return the address as a setting holds it.

        Args:
            ca_file: Where the authority's certificate is at the site.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@{host}:{self.port}"
        options = "?ssl_cert_reqs=required" if self.tls else ""
        if self.tls and ca_file is not None:
            options += f"&ssl_ca_certs={quote(str(ca_file))}"
        return f"{'rediss' if self.tls else 'redis'}://{place}/{self.database}{options}"

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def shown(self) -> str:
        """Where it is, and whether what travels is encrypted."""
        return f"{self.place} by TLS" if self.tls else f"{self.place}, not encrypted"


class Kit(Message):
    """What one site needs to join.

    Attributes:
        client, zone: As it is enrolled.
        num_examples: At most this many of its examples count; `None` for no limit.
        coordinator_key: The public key of the coordinator, which signed this kit.
        redis: Where Redis is, and as whom.
        one_time_key: A private key, in base64url. It signs the public key that the site makes.
        made_at, join_before: On the coordinator's wall clock.
    """

    client: str = Field(pattern=NAME_PATTERN)
    zone: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    num_examples: int | None = Field(default=None, ge=1)
    coordinator_key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    redis: KitRedis
    one_time_key: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    made_at: AwareDatetime
    join_before: AwareDatetime

    @property
    def one_time(self) -> Identity:
        """Who signs the site's new public key, once."""
        raw = base64.urlsafe_b64decode(f"{self.one_time_key}=")
        return Identity(Ed25519PrivateKey.from_private_bytes(raw))

    def is_expired(self, now: datetime) -> bool:
        """Return whether the coordinator accepts no key by this kit any more."""
        return now > self.join_before


class _File(Message):
    fairwind_kit: Literal[1]
    kit: Kit
    signature: str = Field(pattern=SIGNATURE_PATTERN)


@dataclass(frozen=True)
class OneTime:
    """A new one-time key: its private half goes into the kit, its public half into the ledger."""

    private: str
    public: str


def new_one_time() -> OneTime:
    """Make a one-time key from the system's random numbers."""
    key = Ed25519PrivateKey.generate()
    private = base64.urlsafe_b64encode(key.private_bytes_raw()).rstrip(b"=").decode()
    return OneTime(private, Identity(key).public.text)


def check_free(path: Path) -> None:
    """Check that a kit can be written to a path.

    Raises:
        KitError: If there is a file of that name, or no folder for it.
    """
    if path.exists() or path.is_symlink():
        msg = (
            f"{path} exists already, so no kit was made and nothing was changed. Name another "
            "file, or move this one away."
        )
        raise KitError(msg)
    if not path.absolute().parent.is_dir():
        msg = (
            f"There is no folder {path.absolute().parent}, so no kit was made and nothing was "
            "changed. Make the folder, or name another file."
        )
        raise KitError(msg)


def write_kit(path: Path, kit: Kit, coordinator: Identity) -> None:
    """Write a kit to a new file that its owner alone can read.

    Raises:
        KitError: If there is a file of that name, or it cannot be written.
    """
    check_free(path)
    signature = coordinator.sign(_signed(kit))
    text = _File(fairwind_kit=VERSION, kit=kit, signature=signature).model_dump_json(indent=1)
    try:
        write_private(path, f"{text}\n".encode(), replaces=False)
    except OSError as error:
        msg = (
            f"The kit {path} cannot be written ({error.strerror}), so nothing was changed. Name a "
            "file that this user may write."
        )
        raise KitError(msg) from None


def read_kit(path: Path) -> Kit:
    """Return the kit in a file, as the coordinator signed it.

    Whether it has expired is not looked at: the key of a site that has joined stays valid.

    Raises:
        KitError: If it cannot be read, others can read it, or it is damaged or of another version.
    """
    try:
        with open(path, "rb", opener=without_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_NBYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        msg = (
            f"The kit {path} cannot be read ({error.strerror}), so nothing was done. Name the file "
            "that the coordinator's operator handed over."
        )
        raise KitError(msg) from None
    if mode & 0o077:
        msg = (
            f"Other users of this machine can use {path}, which holds a password, so nothing was "
            f"done. Close the file: chmod 600 {path}. If somebody may have copied it, let the "
            "coordinator's operator rotate it."
        )
        raise KitError(msg)
    return parse_kit(raw, str(path))


def parse_kit(raw: bytes, shown: str) -> Kit:
    """Return the kit in the bytes of a file; `shown` is its name, for errors.

    Raises:
        KitError: If it is damaged, or of another version.
    """
    body = _json_of(raw)
    if not isinstance(body, dict) or "fairwind_kit" not in body:
        raise _damaged(shown, "it is no kit, or was cut off")
    version = body["fairwind_kit"]
    if isinstance(version, int) and version > VERSION:
        msg = (
            f"The kit {shown} is of version {str(version)[:20]}, and this Fairwind reads version "
            f"{VERSION}, so nothing was done. Install the coordinator's version of Fairwind here."
        )
        raise KitError(msg)
    try:
        file = _File.model_validate(_strict(body))
        PublicKey(file.kit.coordinator_key).verify(file.signature, _signed(file.kit))
        _ = file.kit.one_time
    except (ValidationError, ValueError):
        raise _damaged(shown, "a part of it is missing, or is not what belongs there") from None
    except (SignatureError, SettingError):
        raise _damaged(shown, "it is not as its coordinator signed it") from None
    return file.kit


def _json_of(raw: bytes) -> object:
    if len(raw) > MAX_NBYTES:
        return None
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _strict(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body, unless JSON holds a boolean where pydantic would take it for 1."""
    if isinstance(body["fairwind_kit"], bool):
        msg = "a version is a number"
        raise ValueError(msg)  # noqa: TRY004 - as pydantic's
    return body


def _signed(kit: Kit) -> bytes:
    return canonical_json(kit.model_dump(mode="json"))


def _damaged(shown: str, why: str) -> KitError:
    return KitError(
        f"The kit {shown} is damaged ({why}), so nothing was done. Copy it once more from where "
        "it was made, or let the coordinator's operator make a new one."
    )
