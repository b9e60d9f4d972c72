"""Ed25519 keys of coordinator and sites, and the one JSON text of a value that is signed.

S. Josefsson, I. Liusvaara, "Edwards-Curve Digital Signature Algorithm (EdDSA)", RFC 8032,
https://www.rfc-editor.org/rfc/rfc8032. A private key is kept as PKCS #8 in PEM, which other tools
read; a public key is written in one line, ``ed25519:`` and 43 characters of base64url.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.errors import IdentityError, SettingError, SignatureError
from common.key_patterns import PUBLIC_KEY_PATTERN, SIGNATURE_PATTERN
from common.private_files import write_private
from common.small_file import without_waiting

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""What JSON holds."""


def canonical_json(value: Json) -> bytes:
    """Return the one text of a value: keys sorted, no spaces, UTF-8.

    As RFC 8785 (JSON Canonicalization Scheme) for texts, booleans and integers; other numbers are
    written as Python does, as no other language reads or writes them here.

    >>> canonical_json({"b": [1, None], "a": "é"}).decode()
    '{"a":"é","b":[1,null]}'

    Raises:
        ValueError: If it holds a number that is not finite, or a lone surrogate.
        TypeError: If JSON cannot hold it.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


@dataclass(frozen=True)
class PublicKey:
    """The key with which anybody can check what its owner signed.

    Raises:
        SettingError: If `text` is not one.
    """

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(PUBLIC_KEY_PATTERN, self.text) or _shown(self._raw) != self.text:
            msg = (
                f"{self.text[:80]!r} is no public key, so nothing could be checked with it. Give "
                "the line that begins with ed25519: as its owner's command printed it."
            )
            raise SettingError(msg)

    def verify(self, signature: str, data: bytes) -> None:
        """Check that the owner of this key signed these bytes.

        Raises:
            SignatureError: If the signature is not by this key, or not of these bytes.
        """
        if not self._signed(signature, data):
            msg = (
                f"A signature is not by {self.text}, or what it signs was altered, so it is not "
                "believed. Compare the key with the one that its owner has."
            )
            raise SignatureError(msg)

    def _signed(self, signature: str, data: bytes) -> bool:
        if not re.fullmatch(SIGNATURE_PATTERN, signature):
            return False
        try:
            self._key.verify(_decoded(signature), data)
        except InvalidSignature:
            return False
        return True

    @property
    def _raw(self) -> bytes:
        return _decoded(self.text.removeprefix(_KIND))

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self._raw)


class Identity:
    """A private key: who signs. It never leaves the machine that made it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes_raw()
        self.public = PublicKey(_shown(raw))

    @classmethod
    def make(cls) -> Identity:
        """Make a new key from the system's random numbers."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Identity:
        """Return the key in a file.

        Raises:
            IdentityError: If there is none, others can read it, or it is no Ed25519 key.
        """
        try:
            with open(path, "rb", opener=without_waiting) as file:
                _check_private(path, file.fileno())
                key = serialization.load_pem_private_key(file.read(_MAX_NBYTES), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds no private key"
            raise _unusable(path, f"cannot be read ({why})") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(path, "is of another kind than Ed25519")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that its owner alone can read.

        Raises:
            FileExistsError: If there is a file of that name; it is left as it is.
            OSError: If it cannot be written.
        """
        write_private(path, self._pem(), replaces=False)  # no key that is in use is replaced

    def sign(self, data: bytes) -> str:
        """Return the signature of these bytes, as `PublicKey.verify` takes it."""
        return _encoded(self._key.sign(data))

    def _pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def load_or_make(path: Path) -> Identity:
    """Return the key in a file; a new one is made where there is no file yet.

    Several processes may do so at once: all of them get the same key.

    Raises:
        IdentityError: If the file holds no key that may be used, or none can be written.
    """
    if not path.exists():
        try:
            Identity.make().save(path)
        except FileExistsError:
            pass  # another process was faster
        except OSError as error:
            raise _unusable(path, f"cannot be written ({error.strerror})") from None
    return Identity.load(path)


_KIND = "ed25519:"
_MAX_NBYTES = 4096


def _check_private(path: Path, descriptor: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise _unusable(path, "is no regular file")
    if mode & 0o077:
        msg = (
            f"Other users of this machine can use the private key {path}, so it is not used. "
            f"Close the file: chmod 600 {path}. If somebody may have copied it, make a new key."
        )
        raise IdentityError(msg)


def _unusable(path: Path, why: str) -> IdentityError:
    return IdentityError(
        f"The private key {path} {why}, so nothing can be signed. Restore the file, or move it "
        "away to have a new key made; others must then be given the new public key."
    )


def _shown(raw: bytes) -> str:
    return _KIND + _encoded(raw)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
