"""Signed envelopes: who sends what to whom for which work, checked before the payload is parsed.

A message is a header, the text of its payload, and the issuer's Ed25519 signature over the
canonical JSON of the header. The header holds the payload's SHA-256, so both are signed. What
Celery itself puts beside a message (headers, properties) is not signed: nothing is read from it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from common.errors import SignatureError
from common.identity import Identity, PublicKey, canonical_json
from common.key_patterns import SIGNATURE_PATTERN
from common.message import Message
from common.messages import Reason, what_is_wrong

COORDINATOR = "coordinator"
"""The coordinator as issuer and audience. A site is ``client.<id>``, as its queue is named."""

MAX_PAYLOAD_CHARS = 1 << 20
"""A payload is no longer: tensors never travel in messages."""

LIFETIME = timedelta(days=7)
"""A message is taken for so long after its issue. What is lost is issued again under a new one."""

CLOCK_TOLERANCE = timedelta(days=1)
"""By so much the clocks of issuer and audience may differ."""

_HASH = r"^([0-9a-f]{64})?$"
_NAME = r"^[A-Za-z0-9._-]{0,80}$"


class Header(Message):
    """What the issuer signs. What a message is not about is empty.

    Attributes:
        task: What is to be done with the payload: the Celery task, or ``heartbeat``.
        run, round, attempt: The assignment that the message is or answers.
        audience, issuer: `COORDINATOR` or ``client.<id>``.
        issued_at, not_after: On the issuer's wall clock.
        nonce: 128 random bits: no message is taken twice.
        plan_hash: SHA-256 of the run's specification, the same for all of its clients.
        model_hash: SHA-256 of the model that is pulled, or that the answer builds on.
        payload_sha256, payload_nbytes: Of the payload's text in UTF-8.
    """

    task: str = Field(pattern=r"^[a-z_]{1,40}$")
    run: str = Field(default="", pattern=_NAME)
    round: int = Field(default=0, ge=0, lt=2**53)
    attempt: int = Field(default=0, ge=0, lt=2**53)
    audience: str = Field(pattern=_NAME)
    issuer: str = Field(pattern=_NAME)
    issued_at: AwareDatetime
    not_after: AwareDatetime
    nonce: str = Field(pattern=r"^[A-Za-z0-9_-]{22}$")
    plan_hash: str = Field(default="", pattern=_HASH)
    model_hash: str = Field(default="", pattern=_HASH)
    payload_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    payload_nbytes: int = Field(ge=0)


class Envelope(Message):
    """A message as it travels."""

    header: Header
    payload: str = Field(max_length=MAX_PAYLOAD_CHARS)
    signature: str = Field(pattern=SIGNATURE_PATTERN)


@dataclass(frozen=True, slots=True)
class About:
    """The work that a message is about; nothing by default."""

    run: str = ""
    round: int = 0
    attempt: int = 0
    plan_hash: str = ""
    model_hash: str = ""


@dataclass(frozen=True)
class Signer:
    """Who signs: a key, and the name under which the audience knows it."""

    name: str
    identity: Identity

    def seal(
        self, task: str, audience: str, payload: Message, *, about: About, now: datetime
    ) -> Envelope:
        """Return a message that only its audience takes, once.

        Args:
            task: What is to be done with it.
            audience: For whom it is.
            payload: What it says.
            about: The work it is about.
            now: The issuer's wall clock.
        """
        text = payload.model_dump_json()
        raw = text.encode()
        header = Header(
            task=task, audience=audience, issuer=self.name, issued_at=now,
            not_after=now + LIFETIME, nonce=secrets.token_urlsafe(16),
            run=about.run, round=about.round, attempt=about.attempt,
            plan_hash=about.plan_hash, model_hash=about.model_hash,
            payload_sha256=hashlib.sha256(raw).hexdigest(), payload_nbytes=len(raw),
        )  # fmt: skip
        return Envelope(header=header, payload=text, signature=self.identity.sign(_signed(header)))


KeyOf = Callable[[str], str | None]
"""Returns the public key of an issuer, `None` for one that is not known."""


@dataclass(frozen=True)
class Opened:
    """A message whose issuer is known, and its payload as JSON."""

    header: Header
    payload: Any


def open_envelope(
    body: object, *, task: str, audience: str, key_of: KeyOf, now: datetime | None
) -> Opened | Reason:
    """Return what a message says if it may be believed, or why it is refused.

    Whether it was taken before is the caller's to know: see its nonce.

    Args:
        body: What arrived.
        task: What it is about to be taken for.
        audience: Who we are.
        key_of: Which issuers are known.
        now: Our wall clock; `None` where it does not matter when a message was issued.
    """
    try:
        envelope = Envelope.model_validate(body)
    except ValidationError as error:
        return _misshapen(body, error)
    header = envelope.header
    key = key_of(header.issuer)
    if key is None:
        return Reason(code="unknown_issuer", text=f"no key of {header.issuer!r} is known here")
    try:
        public_key(key).verify(envelope.signature, _signed(header))
    except SignatureError:
        return Reason(code="wrong_signature", text=f"it is not signed by {header.issuer!r}")
    return _misdirected(header, task, audience) or _untimely(header, now) or _payload_of(envelope)


def is_envelope(body: object) -> bool:
    """Return whether somebody meant to sign a message."""
    return isinstance(body, dict) and "signature" in body and "header" in body


@lru_cache(maxsize=1024)
def public_key(text: str) -> PublicKey:
    """Return a public key, ready to verify with."""
    return PublicKey(text)


def _signed(header: Header) -> bytes:
    return canonical_json(header.model_dump(mode="json"))


def _misshapen(body: object, error: ValidationError) -> Reason:
    if not is_envelope(body):
        return Reason(code="unsigned", text="it is not signed")
    text = f"it is no envelope of this version ({what_is_wrong(error)})"
    return Reason(code="malformed", text=text[:600])


def _misdirected(header: Header, task: str, audience: str) -> Reason | None:
    if header.task != task:
        return Reason(code="other_task", text=f"it was signed as {header.task!r}, not {task!r}")
    if header.audience != audience:
        return Reason(code="other_audience", text=f"it is for {header.audience!r}")
    return None


def _untimely(header: Header, now: datetime | None) -> Reason | None:
    if now is None:
        return None
    if now > header.not_after + CLOCK_TOLERANCE:
        text = f"it was valid until {header.not_after.isoformat(timespec='seconds')}"
        return Reason(code="expired", text=text)
    too_long = header.not_after - header.issued_at > LIFETIME
    if too_long or header.issued_at > now + CLOCK_TOLERANCE:
        text = "it was issued in the future, or is valid for too long; compare both clocks"
        return Reason(code="not_yet_valid", text=text)
    return None


def _payload_of(envelope: Envelope) -> Opened | Reason:
    header, raw = envelope.header, envelope.payload.encode(errors="surrogatepass")
    digest = hashlib.sha256(raw).hexdigest()
    if (len(raw), digest) != (header.payload_nbytes, header.payload_sha256):
        return Reason(code="other_payload", text="its payload is not the one that was signed")
    try:
        return Opened(header, json.loads(raw))
    except (ValueError, RecursionError):
        return Reason(code="malformed", text="its payload is no JSON that can be read")
