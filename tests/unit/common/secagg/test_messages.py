"""Messages have bounds before anything is computed from them, and the largest fits an envelope."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from common.envelope import (
    COORDINATOR,
    MAX_PAYLOAD_CHARS,
    About,
    Envelope,
    Opened,
    Signer,
    open_envelope,
)
from common.identity import Identity
from common.secagg.messages import (
    MAX_COMMITTEE,
    Announcement,
    Manifest,
    Member,
    Ready,
    SealedShares,
    Terms,
    UnmaskAnswer,
    UnmaskRequest,
)
from common.secagg.ring import MAX_SITES, Ring

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HASH, KEY, SIGNATURE, SEALED = "a" * 64, "A" * 43, "A" * 86, "A" * 107


def ready(site: str) -> Ready:
    return Ready(
        run="r" * 80, terms_sha256=HASH, base_model_sha256=HASH, site=site, ready_id="0" * 32,
        mask_key=KEY, seal_key=KEY, seed_sha256=HASH, shares_sha256=HASH, signature=SIGNATURE,
    )  # fmt: skip


SITES = tuple(f"{n:080}" for n in range(MAX_SITES))
MANIFEST = Manifest(
    cohort="c", run="r" * 80, terms_sha256=HASH, base_model_sha256=HASH,
    entries=tuple(ready(site) for site in SITES),
)  # fmt: skip
LARGEST = [
    Announcement(
        ready=ready("s"),
        shares=SealedShares(
            sealed=(SEALED,) * MAX_COMMITTEE, commitments=((HASH, HASH),) * MAX_COMMITTEE
        ),
    ),
    MANIFEST,
    UnmaskRequest(manifest=MANIFEST, uploaded=SITES, sealed=(SEALED,) * MAX_SITES),
    UnmaskAnswer(manifest_sha256=HASH, uploaded=SITES, member="s", shares=(KEY,) * MAX_SITES),
    Terms(
        run="r", plan_hash=HASH, ring=Ring(num_values=1, clip=1.0, max_sites=MAX_SITES),
        committee=tuple(
            Member(site=site, seal_key=KEY, signature=SIGNATURE) for site in SITES[:MAX_COMMITTEE]
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("message", LARGEST, ids=lambda message: type(message).__name__)
def test_the_largest_message_fits_a_signed_envelope_and_comes_back_the_same(message) -> None:
    signer = Signer("client.a", Identity.make())
    sealed = signer.seal("secagg", COORDINATOR, message, about=About(run="r"), now=NOON)
    assert len(sealed.payload) < MAX_PAYLOAD_CHARS // 4
    opened = open_envelope(
        Envelope.model_validate_json(sealed.model_dump_json()).model_dump(mode="json"),
        task="secagg", audience=COORDINATOR,
        key_of={"client.a": signer.identity.public.text}.get, now=NOON,
    )  # fmt: skip
    assert isinstance(opened, Opened)
    assert type(message).model_validate(opened.payload) == message


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (Manifest, {"entries": [ready(site).model_dump() for site in (*SITES, "more")]}),
        (Manifest, {"entries": []}),
        (UnmaskAnswer, {"shares": ["A" * 42] * 3}),
        (UnmaskAnswer, {"uploaded": ["s"] * (MAX_SITES + 1)}),
        (UnmaskRequest, {"sealed": ["A" * 108]}),
        (Terms, {"committee": LARGEST[-1].model_dump()["committee"][:2]}),
        (Terms, {"committee": [LARGEST[-1].model_dump()["committee"][0]] * 3}),
        (Terms, {"min_organisations": 2}),
        (Terms, {"threshold": 1}),
    ],
)
def test_what_is_out_of_bounds_is_no_message(kind, changed) -> None:
    whole = next(message for message in LARGEST if isinstance(message, kind)).model_dump()
    with pytest.raises(ValidationError):
        kind.model_validate({**whole, **changed})


def test_a_manifest_is_named_by_all_that_it_says() -> None:
    changed = MANIFEST.model_copy(update={"cohort": "d"})
    assert len(MANIFEST.sha256) == 64
    assert changed.sha256 != MANIFEST.sha256
    assert Manifest.model_validate_json(MANIFEST.model_dump_json()).sha256 == MANIFEST.sha256
