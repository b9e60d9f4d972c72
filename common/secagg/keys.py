"""The keys of the protocol: what seals a share, what masks a pair of sites share, and commitments.

X25519 (RFC 7748), HKDF with SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439). Each derived key
names what it is for, as canonical JSON, so that no two purposes ever share one.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.errors import SecureAggregationError
from common.identity import canonical_json
from common.secagg.masks import Mask
from common.secagg.messages import Manifest, Ready, decoded, encoded
from common.secagg.shamir import NBYTES

_ZERO_NONCE = bytes(12)
"""Each sealing key seals one text."""


def public_of(private: bytes) -> str:
    """Return the public half of an X25519 key, as messages have it."""
    return encoded(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())


def check_key(public: str, site: str) -> None:
    """Check that a public key makes secrets: a few of them make zero with every private key.

    Raises:
        SecureAggregationError: If it does not.
    """
    _agreed(X25519PrivateKey.generate().private_bytes_raw(), public, site)


def pair_mask(private: bytes, own: str, other: Ready, manifest_sha256: str) -> Mask:
    """Return the mask of two sites as one of them adds it; the other adds the opposite.

    Args:
        private: Our mask key, or the one that the committee opened.
        own: The site whose key this is.
        other: The statement of the other site.
        manifest_sha256: The manifest to which the mask is bound.
    """
    first, second = sorted((own, other.site))
    info = canonical_json(["mask", manifest_sha256, first, second])
    secret = _agreed(private, other.mask_key, other.site)
    return Mask(_derived(secret, info), is_added=own < other.site)


def own_mask(seed: bytes, manifest_sha256: str) -> Mask:
    """Return the mask that a site adds from a seed of its own."""
    return Mask(_derived(seed, canonical_json(["self", manifest_sha256])), is_added=True)


def site_masks(private: bytes, seed: bytes, site: str, manifest: Manifest) -> list[Mask]:
    """Return all masks of a site in a cohort."""
    digest = manifest.sha256
    others = (entry for entry in manifest.entries if entry.site != site)
    return [
        own_mask(seed, digest),
        *(pair_mask(private, site, other, digest) for other in others),
    ]


def seal(shares: tuple[bytes, bytes], private: bytes, member_key: str, info: bytes) -> str:
    """Return two shares as only one member can read them.

    Args:
        shares: Of the mask key and of the seed.
        private: The sealing key of one READY, which is forgotten afterwards.
        member_key: The member's public key.
        info: From `share_info`.
    """
    key = _derived(_agreed(private, member_key, "a member"), info)
    return encoded(ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, b"".join(shares), info))


def unseal(sealed: str, private: bytes, ready: Ready, info: bytes) -> tuple[bytes, bytes] | None:
    """Return the shares that a site sealed for us; `None` if it did not seal them so."""
    try:
        key = _derived(_agreed(private, ready.seal_key, ready.site), info)
        raw = ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, decoded(sealed), info)
    except (InvalidTag, SecureAggregationError):
        return None
    return raw[:NBYTES], raw[NBYTES:]


def share_info(ready_id: str, terms_sha256: str, site: str, member: str) -> bytes:
    """Return what a sealed share is bound to: one statement of one site, and one member."""
    return canonical_json(["share", terms_sha256, ready_id, site, member])


def share_sha256(kind: str, ready_id: str, x: int, share: bytes) -> str:
    """Return the commitment to a share: `kind` is ``key`` or ``seed``, `x` its place."""
    value: list[str | int] = ["fairwind.secagg.share", kind, ready_id, x, encoded(share)]
    return hashlib.sha256(canonical_json(value)).hexdigest()


def seed_sha256(ready_id: str, seed: bytes) -> str:
    """Return the commitment to the seed of a site's own mask."""
    value = ["fairwind.secagg.seed", ready_id, encoded(seed)]
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _agreed(private: bytes, public: str, owner: str) -> bytes:
    try:
        key = X25519PublicKey.from_public_bytes(decoded(public))
        return X25519PrivateKey.from_private_bytes(private).exchange(key)
    except ValueError:
        msg = (
            f"The public key of {owner} makes the same secret with everybody, so nothing was "
            "masked with it. Leave its site out; its key is faulty, or it means to disturb."
        )
        raise SecureAggregationError(msg) from None


def _derived(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
