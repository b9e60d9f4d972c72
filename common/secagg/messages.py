"""What site, coordinator and committee send each other; each payload travels in an envelope.

Sizes are bounded here, before anything is computed from a message. Keys and shares are 32 bytes in
base64url without padding.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

from pydantic import Field, model_validator

from common.identity import Json, canonical_json
from common.key_patterns import SHA256_PATTERN, SIGNATURE_PATTERN
from common.message import Message
from common.secagg.ring import MAX_SITES, Ring

MAX_COMMITTEE = 64
"""A committee has no more members."""

MIN_ORGANISATIONS = 3
"""With two organisations, each knows the other's update from the sum and its own."""

Site = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
Bytes32 = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Signature = Annotated[str, Field(pattern=SIGNATURE_PATTERN)]
Sealed = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{107}$")]
"""Two shares and the tag of ChaCha20-Poly1305: 80 bytes."""


class Member(Message):
    """A member of the committee, and the X25519 key for which shares are sealed, as it signed it.

    `signature` is made with the member's identity; the key is replaced from time to time.
    """

    site: Site
    seal_key: Bytes32
    signature: Signature

    def signed_bytes(self) -> bytes:
        """Return what the member signs."""
        return canonical_json(
            {"type": "fairwind.secagg.member", "site": self.site, "seal_key": self.seal_key}
        )


class Terms(Message):
    """What a run's plan says of secure aggregation; every site checks it before it takes part.

    Attributes:
        run: Which run.
        plan_hash: SHA-256 of the run's specification.
        ring: How updates become vectors.
        min_organisations: A sum is of at least so many distinct organisations.
        committee: In the order that numbers the shares.
    """

    run: Site
    plan_hash: Sha256
    ring: Ring
    min_organisations: int = Field(default=5, ge=MIN_ORGANISATIONS, le=MAX_SITES)
    committee: tuple[Member, ...] = Field(min_length=MIN_ORGANISATIONS, max_length=MAX_COMMITTEE)

    @model_validator(mode="after")
    def _distinct(self) -> Terms:
        if len({member.site for member in self.committee}) != len(self.committee):
            msg = "a site is on the committee twice"
            raise ValueError(msg)
        return self

    @property
    def threshold(self) -> int:
        """So many members open a sum: two thirds of the committee, and one more.

        It follows from the committee, so that nobody can lower it. Two different answers to one
        manifest need more than a third of the committee to lie.
        """
        return 2 * len(self.committee) // 3 + 1

    @property
    def sha256(self) -> str:
        """The name of these terms."""
        return _sha256(self.model_dump(mode="json"))


class Ready(Message):
    """A site's signed statement that it has an update, and the keys that hide it.

    Attributes:
        run, terms_sha256, base_model_sha256: What it trained, from which version.
        site: Who.
        ready_id: 128 random bits; a statement joins one manifest.
        mask_key: X25519, for the masks that pairs of sites share.
        seal_key: X25519, for sealing the shares; the site forgets the private half at once.
        seed_sha256: Of the seed of the site's own mask.
        shares_sha256: Of the `SealedShares` beside it.
        signature: By the site's identity.
    """

    run: Site
    terms_sha256: Sha256
    base_model_sha256: Sha256
    site: Site
    ready_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    mask_key: Bytes32
    seal_key: Bytes32
    seed_sha256: Sha256
    shares_sha256: Sha256
    signature: Signature

    def signed_bytes(self) -> bytes:
        """Return what the site signs."""
        signed = self.model_dump(mode="json", exclude={"signature"})
        return canonical_json({"type": "fairwind.secagg.ready", **signed})


class SealedShares(Message):
    """A site's shares for the committee, in its order.

    Attributes:
        sealed: Both shares for each member, which that member alone can open.
        commitments: SHA-256 of each member's share of the key, and of the seed: a wrong share
            cannot be passed off as the right one.
    """

    sealed: tuple[Sealed, ...] = Field(max_length=MAX_COMMITTEE)
    commitments: tuple[tuple[Sha256, Sha256], ...] = Field(max_length=MAX_COMMITTEE)

    @property
    def sha256(self) -> str:
        """The name under which `Ready` signs them."""
        return _sha256(self.model_dump(mode="json"))


class Announcement(Message):
    """READY: a site's statement, and its shares for the committee."""

    ready: Ready
    shares: SealedShares


class Manifest(Message):
    """FREEZE: the one cohort whose updates are summed; `sha256` names it.

    Attributes:
        cohort: The coordinator's name for it.
        run, terms_sha256, base_model_sha256: The same for all of its sites.
        entries: The statements, sorted by site.
    """

    cohort: Site
    run: Site
    terms_sha256: Sha256
    base_model_sha256: Sha256
    entries: tuple[Ready, ...] = Field(min_length=2, max_length=MAX_SITES)

    @property
    def sha256(self) -> str:
        """The name of this manifest, to which all masks are bound."""
        return _sha256(self.model_dump(mode="json"))

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of the cohort."""
        return tuple(entry.site for entry in self.entries)


class Upload(Message):
    """UPLOAD: a site's vector under its masks lies in the transport, under its SHA-256."""

    manifest_sha256: Sha256
    site: Site
    ready_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    vector_sha256: Sha256
    nbytes: int = Field(ge=0, lt=2**40)


class UnmaskRequest(Message):
    """UNMASK: which sites of a manifest uploaded, and the member's shares to open.

    Attributes:
        manifest: The whole manifest; a member need not have been in the cohort.
        uploaded: The sites whose vectors are in the sum, sorted.
        sealed: What each site of the manifest sealed for this member, in its order.
    """

    manifest: Manifest
    uploaded: tuple[Site, ...] = Field(max_length=MAX_SITES)
    sealed: tuple[Sealed, ...] = Field(max_length=MAX_SITES)


class UnmaskAnswer(Message):
    """A member's answer to the first request for a manifest, the same ever after.

    Attributes:
        manifest_sha256, uploaded: As in the request.
        member: Who answers.
        shares: For each site of the manifest, in its order: the share of its seed if it
            uploaded, of its key otherwise; empty where the sealed shares could not be opened.
    """

    manifest_sha256: Sha256
    uploaded: tuple[Site, ...] = Field(max_length=MAX_SITES)
    member: Site
    shares: tuple[Bytes32 | Annotated[str, Field(max_length=0)], ...] = Field(max_length=MAX_SITES)


def encoded(raw: bytes) -> str:
    """Return bytes as text in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of such a text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _sha256(value: Json) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
