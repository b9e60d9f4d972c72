"""What a site says that joins: which key it made, and by which kit."""

from __future__ import annotations

from pydantic import Field

from common.errors import SignatureError
from common.identity import Identity, PublicKey, canonical_json
from common.key_patterns import PUBLIC_KEY_PATTERN, SIGNATURE_PATTERN
from common.message import Message
from common.messages import NAME_PATTERN


class SiteJoin(Message):
    """The new key of a site; the one-time key of its kit signs the envelope around it.

    Attributes:
        client: Whose site it is.
        key: The public key that the site made.
        kit_key: The public half of the kit's one-time key.
        proof: Signature of the three by `key`: the site holds its private half.
    """

    client: str = Field(pattern=NAME_PATTERN)
    key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    kit_key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    proof: str = Field(pattern=SIGNATURE_PATTERN)


def site_join(client: str, identity: Identity, kit_key: str) -> SiteJoin:
    """Return what a site says that joins.

    Args:
        client: Whose site it is.
        identity: The key that it made.
        kit_key: The public half of the kit's one-time key.
    """
    key = identity.public.text
    proof = identity.sign(_proved(client, key, kit_key))
    return SiteJoin(client=client, key=key, kit_key=kit_key, proof=proof)


def is_held(joined: SiteJoin) -> bool:
    """Return whether whoever joins holds the private half of the key."""
    try:
        PublicKey(joined.key).verify(
            joined.proof, _proved(joined.client, joined.key, joined.kit_key)
        )
    except SignatureError:
        return False
    return True


def _proved(client: str, key: str, kit_key: str) -> bytes:
    return canonical_json({"what": "site_join", "client": client, "key": key, "kit_key": kit_key})
