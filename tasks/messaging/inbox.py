"""What a process believes of the messages that reach it, and under which name it signs its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from common.clock import wall_now
from common.envelope import (
    COORDINATOR,
    Header,
    KeyOf,
    Opened,
    Signer,
    is_envelope,
    open_envelope,
)
from common.errors import encodable
from common.identity import load_or_make
from common.messages import NAME_PATTERN, Reason, what_is_wrong
from common.settings import Settings
from tasks.messaging.nonces import Nonces
from tasks.messaging.refusals import Refusal, Refusals, refusals_file
from tasks.roles import SITE_PREFIX, coordinator_key_file, site_key_file

T = TypeVar("T")

Keys = Mapping[str, str]
"""The public key of each client that has one."""


@dataclass(frozen=True)
class Taken:
    """A message that is taken: its payload as JSON, and its header if messages are signed."""

    header: Header | None
    payload: Any

    @property
    def client(self) -> str | None:
        """Return the client whose site signed it; `None` if nobody, or the coordinator, did."""
        return self.header.issuer.removeprefix(SITE_PREFIX) if self.header else None


class Inbox:
    """Takes messages for one audience, each once.

    Args:
        name: Of the audience.
        folder: Where taken and refused messages are remembered.
        key_of: The keys of issuers; `None` if messages of this federation are not signed.
        report: Called with what is refused, as `Refusals` has it.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        key_of: KeyOf | None,
        *,
        report: Callable[[Refusal], None] | None = None,
    ) -> None:
        self._name = name
        self._key_of = key_of
        self._nonces = Nonces(folder / "nonces.sqlite")
        self.refusals = Refusals(refusals_file(folder), report=report)

    def take(self, task: str, body: object) -> Taken | None:
        """Return what a message says; `None` if it is refused, which is logged and counted.

        It is not remembered as taken yet: see `done`. So work whose process died is taken again.
        """
        if self._key_of is None:
            if not is_envelope(body):
                return Taken(None, body)
            found: Opened | Reason = Reason(code="no_key", text=_NO_KEY)
        else:
            found = open_envelope(
                body, task=task, audience=self._name, key_of=self._key_of, now=wall_now()
            )
        if isinstance(found, Opened) and self._nonces.taken(found.header):
            found = Reason(code="replayed", text="it was taken before")
        if isinstance(found, Reason):
            self.refuse(task, body, found)
            return None
        return Taken(found.header, found.payload)

    def refuse(self, task: str, body: object, reason: Reason) -> None:
        """Log and count a message that is refused."""
        issuer = _issuer(body)
        known = self._key_of is not None and self._key_of(issuer) is not None
        self.refusals.note(task, issuer if known else UNKNOWN, _with_claim(reason, body))

    def read(self, task: str, body: object, taken: Taken, reader: Callable[[Any], T]) -> T | None:
        """Return what a message that was taken says; `None` if it has not that form: refused.

        Args:
            task: What it was taken for.
            body: What arrived.
            taken: The same, taken.
            reader: Makes the payload what it is to be, or raises a `ValidationError`.
        """
        try:
            return reader(taken.payload)
        except ValidationError as error:
            text = f"its payload is none of this version ({what_is_wrong(error)})"
            self.refuse(task, body, Reason(code="malformed", text=encodable(text)[:600]))
            return None

    def done(self, taken: Taken) -> None:
        """Remember that a message was taken, now that what it led to is kept."""
        if taken.header is not None:
            self._nonces.take(taken.header, wall_now())


UNKNOWN = "unknown"
"""The issuer of messages that bear no name whose key is known here."""

_NO_KEY = (
    "it is signed, and no key to check it with is set here: set FAIRWIND_COORDINATOR_KEY at a site "
    "to what `fairwind key` prints at the coordinator"
)


def coordinator_signer(settings: Settings) -> Signer | None:
    """Return who signs for the coordinator; `None` where it has no key.

    Raises:
        IdentityError: If its key cannot be used.
    """
    path = coordinator_key_file(settings.folder)
    return _signer(COORDINATOR, path) if path.exists() else None


def site_signer(settings: Settings, client: str) -> Signer | None:
    """Return who signs for a client's site; `None` where the coordinator's key is not set.

    The site's key is made when it is first needed.

    Raises:
        IdentityError: If its key cannot be used.
    """
    if settings.coordinator_key is None:
        return None
    return _signer(f"{SITE_PREFIX}{client}", site_key_file(settings.folder, client))


def coordinator_inbox(settings: Settings, keys: Callable[[], Keys]) -> Inbox:
    """Return what the coordinator's processes take.

    Args:
        settings: Where its key and its folder are.
        keys: Returns the keys of the enrolled clients, as they are by then.
    """
    signer = coordinator_signer(settings)
    if signer is None:
        return Inbox(COORDINATOR, settings.folder, None)
    own = signer.identity.public.text

    def key_of(issuer: str) -> str | None:
        return own if issuer == COORDINATOR else _key_of_site(issuer, keys())

    return Inbox(COORDINATOR, settings.folder, key_of)


def joining_inbox(settings: Settings, kit_keys: Callable[[], Keys]) -> Inbox:
    """Return what the coordinator takes of sites that join: what a kit's one-time key signed.

    Args:
        settings: Where its folder is.
        kit_keys: Returns the public halves of these keys, as they are by then.
    """
    return Inbox(COORDINATOR, settings.folder, lambda issuer: _key_of_site(issuer, kit_keys()))


def _key_of_site(issuer: str, keys: Keys) -> str | None:
    client = issuer.removeprefix(SITE_PREFIX)
    return keys.get(client) if client != issuer else None


def site_inbox(
    settings: Settings, client: str, *, report: Callable[[Refusal], None] | None = None
) -> Inbox:
    """Return what a client's site takes: what the coordinator of its settings has signed."""
    folder, key = site_key_file(settings.folder, client).parent, settings.coordinator_key
    known = None if key is None else {COORDINATOR: key}.get
    return Inbox(f"{SITE_PREFIX}{client}", folder, known, report=report)


def _issuer(body: object) -> str:
    """Return whose name the header of a message bears; "" if none."""
    header = body.get("header") if isinstance(body, dict) else None
    issuer = header.get("issuer") if isinstance(header, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _with_claim(reason: Reason, body: object) -> Reason:
    """Add the client that an unsigned message names: it may lack its key by mistake."""
    client = body.get("client") if isinstance(body, dict) else None
    if reason.code != "unsigned" or not isinstance(client, str):
        return reason
    if not re.fullmatch(NAME_PATTERN, client):
        return reason
    return reason.model_copy(update={"text": f"{reason.text}; it names the client {client}"})


@lru_cache(maxsize=64)
def _signer(name: str, path: Path) -> Signer:
    return Signer(name, load_or_make(path))
