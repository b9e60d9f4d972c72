"""A site's part: it gets ready once for each piece of work, and uploads once for each statement.

Whatever is sent is kept first and sent again unchanged: an update that is quantised again, or
masked for another cohort with the same keys, would show the difference of two vectors.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import EquivocationError, SecureAggregationError
from common.identity import Identity
from common.secagg.cohort import Directory, check_manifest, check_terms, require
from common.secagg.keys import public_of, seal, seed_sha256, share_info, share_sha256, site_masks
from common.secagg.masks import apply_masks, pieces_of
from common.secagg.messages import (
    Announcement,
    Manifest,
    Member,
    Ready,
    SealedShares,
    Terms,
    Upload,
)
from common.secagg.ring import WORD_NBYTES, Words
from common.secagg.shamir import NBYTES, random_secret, split
from common.secagg.store import SecaggStore

_ANNOUNCED, _SECRETS, _JOINED, _UPLOADED = "announcement", "secrets", "manifest", "upload"
_PLAIN, _MASKED = "plain", "masked"


@dataclass(frozen=True)
class SecaggSite:
    """A site, and where it keeps what it must not lose.

    Attributes:
        name: As others know it.
        identity: With which it signs.
        store: Its own, for nothing else.
        directory: All sites that it believes to exist.
        min_organisations: It takes part in no sum of fewer.
    """

    name: str
    identity: Identity
    store: SecaggStore
    directory: Directory
    min_organisations: int

    def member(self, seal_key: bytes) -> Member:
        """Return this site as a member of committees.

        Args:
            seal_key: The private X25519 key; it never leaves the site.
        """
        public = public_of(seal_key)
        draft = Member(site=self.name, seal_key=public, signature=_UNSIGNED)
        return draft.model_copy(update={"signature": self.identity.sign(draft.signed_bytes())})

    def prepare(
        self, work: str, vector: Words, *, terms: Terms, base_model_sha256: str
    ) -> Announcement:
        """READY: keep an update and the keys that will hide it, and return what to announce.

        Args:
            work: Names the assignment: for the same one, the same bytes come back, and the vector
                given the first time counts.
            vector: From `Ring.quantise`.
            terms: From the plan.
            base_model_sha256: The version that was trained.

        Raises:
            SecureAggregationError: If the plan fails a check, the vector is not of its length, or
                cannot be kept.
        """
        kept = self.store.get(_ANNOUNCED, work)
        if kept is not None:
            return Announcement.model_validate_json(kept)
        check_terms(terms, self.directory, min_organisations=self.min_organisations)
        num_words = terms.ring.num_words
        require(len(vector) == num_words, f"An update has {len(vector)} words, not {num_words}")
        made = _make(self, terms, base_model_sha256)
        ready_id = made.announcement.ready.ready_id
        self.store.write_vector(_name(_PLAIN, ready_id), (p.tobytes() for p in pieces_of(vector)))
        try:
            self.store.keep(
                {
                    (_ANNOUNCED, work): made.announcement.model_dump_json().encode(),
                    (_SECRETS, ready_id): made.secrets,
                }
            )
        except EquivocationError:  # another process was faster: its announcement counts
            self.store.remove_vector(_name(_PLAIN, ready_id))
            return self.prepare(work, vector, terms=terms, base_model_sha256=base_model_sha256)
        return made.announcement

    def vector(self, work: str) -> Words:
        """Return a vector whose cohort failed before its upload, to get ready with once more.

        One that joined a manifest is never used again: the sum may be known, whatever the
        coordinator says, and the difference of two sums can be a single update.

        Raises:
            SecureAggregationError: If it joined one, or is not here.
        """
        ready_id = self._announced(work).ready_id
        joined = self.store.get(_JOINED, ready_id) is not None
        require(not joined, f"The update of {work[:80]} belongs to a cohort already")
        return self._plain(work, ready_id)

    def upload(self, work: str, manifest: Manifest, terms: Terms) -> Upload:
        """UPLOAD: put the update under its masks, and return what to say of it.

        The bytes are at `masked_path`. The same manifest gives the same bytes.

        Raises:
            SecureAggregationError: If the manifest fails a check. Nothing is masked then.
            EquivocationError: If this statement joined another manifest already.
        """
        ready = self._announced(work)
        check_manifest(manifest, terms, self.directory)
        require(
            ready in manifest.entries,
            f"Cohort {manifest.cohort} has not the statement of {self.name} as it signed it",
        )
        digest = manifest.sha256
        self.store.keep({(_JOINED, ready.ready_id): digest.encode()})
        kept = self.store.get(_UPLOADED, ready.ready_id)
        if kept is None:
            kept = self._mask(work, ready, manifest).model_dump_json().encode()
            self.store.keep({(_UPLOADED, ready.ready_id): kept})
        return Upload.model_validate_json(kept)

    def masked_path(self, upload: Upload) -> Path:
        """Return where the bytes of an upload are: little-endian words, nothing else."""
        return self.store.vector(_name(_MASKED, upload.ready_id))

    def finish(self, work: str) -> None:
        """Forget an update and its keys, once the ledger says that its cohort is over.

        What it joined is remembered: the statement stays used.
        """
        ready = self._announced(work)
        self.store.forget((_SECRETS, ready.ready_id), (_UPLOADED, ready.ready_id))
        self.store.remove_vector(_name(_PLAIN, ready.ready_id))
        self.store.remove_vector(_name(_MASKED, ready.ready_id))

    def _announced(self, work: str) -> Ready:
        kept = self.store.get(_ANNOUNCED, work)
        if kept is None:
            raise _gone(work)
        return Announcement.model_validate_json(kept).ready

    def _plain(self, work: str, ready_id: str) -> Words:
        path = self.store.vector(_name(_PLAIN, ready_id))
        if not path.exists():
            raise _gone(work)
        return np.fromfile(path, dtype="<u4")

    def _mask(self, work: str, ready: Ready, manifest: Manifest) -> Upload:
        kept, words = self.store.get(_SECRETS, ready.ready_id), self._plain(work, ready.ready_id)
        if kept is None:
            raise _gone(work)
        masks = site_masks(kept[:NBYTES], kept[NBYTES:], self.name, manifest)
        masked = (piece.tobytes() for piece in apply_masks(pieces_of(words), masks))
        digest = self.store.write_vector(_name(_MASKED, ready.ready_id), masked)
        return Upload(
            manifest_sha256=manifest.sha256, site=self.name, ready_id=ready.ready_id,
            vector_sha256=digest, nbytes=len(words) * WORD_NBYTES,
        )  # fmt: skip


@dataclass(frozen=True)
class _Made:
    announcement: Announcement
    secrets: bytes


_UNSIGNED = "A" * 86


def _make(site: SecaggSite, terms: Terms, base_model_sha256: str) -> _Made:
    """Draw the keys of one statement, and seal their shares to the committee."""
    ready_id, terms_sha256 = secrets.token_hex(16), terms.sha256
    mask_key, seed, seal_key = random_secret(), random_secret(), random_secret()
    count = len(terms.committee)
    pairs = list(
        zip(
            split(mask_key, terms.threshold, count),
            split(seed, terms.threshold, count),
            strict=True,
        )
    )
    shares = SealedShares(
        sealed=tuple(
            seal(
                pair,
                seal_key,
                member.seal_key,
                share_info(ready_id, terms_sha256, site.name, member.site),
            )
            for pair, member in zip(pairs, terms.committee, strict=True)
        ),
        commitments=tuple(
            (share_sha256("key", ready_id, x, key), share_sha256("seed", ready_id, x, own))
            for x, (key, own) in enumerate(pairs, start=1)
        ),
    )
    draft = Ready(
        run=terms.run, terms_sha256=terms_sha256, base_model_sha256=base_model_sha256,
        site=site.name, ready_id=ready_id, mask_key=public_of(mask_key),
        seal_key=public_of(seal_key), seed_sha256=seed_sha256(ready_id, seed),
        shares_sha256=shares.sha256, signature=_UNSIGNED,
    )  # fmt: skip
    signed = draft.model_copy(update={"signature": site.identity.sign(draft.signed_bytes())})
    return _Made(Announcement(ready=signed, shares=shares), mask_key + seed)


def _name(kind: str, ready_id: str) -> str:
    return f"{kind}-{ready_id}"


def _gone(what: str) -> SecureAggregationError:
    return SecureAggregationError(
        f"This site has no update for {what[:80]}: it was not made here, or its cohort is over. "
        "Nothing was sent; new work makes a new one."
    )
