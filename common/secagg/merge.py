"""The coordinator's part: it takes the masks off the sum of a cohort, and off nothing else.

Additions in the ring come in any order, so the same uploads give the same bits, which are those of
the plain sum of the same vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import SecureAggregationError
from common.files import file_sha256
from common.secagg.keys import own_mask, pair_mask, public_of, seed_sha256, share_sha256
from common.secagg.masks import PIECE_WORDS, Mask, apply_masks
from common.secagg.messages import (
    Announcement,
    Manifest,
    Ready,
    Terms,
    UnmaskAnswer,
    UnmaskRequest,
    Upload,
    decoded,
)
from common.secagg.ring import WORD_NBYTES, Words
from common.secagg.shamir import combine


@dataclass(frozen=True)
class FrozenCohort:
    """A cohort as the coordinator holds it.

    Attributes:
        terms: From the plan.
        manifest: As it was sent to the sites.
        announcements: Of each site of the manifest, by name.
    """

    terms: Terms
    manifest: Manifest
    announcements: Mapping[str, Announcement]

    def request(self, member: str, uploaded: Sequence[str]) -> UnmaskRequest:
        """Return the request for one member.

        Args:
            member: Who is asked.
            uploaded: The sites whose vectors are in the sum. They are fixed, in the ledger, before
                the first request: a member answers no second one.
        """
        place = [each.site for each in self.terms.committee].index(member)
        return UnmaskRequest(
            manifest=self.manifest,
            uploaded=tuple(sorted(uploaded)),
            sealed=tuple(
                self.announcements[site].shares.sealed[place] for site in self.manifest.sites
            ),
        )


def check_upload(upload: Upload, path: Path, cohort: FrozenCohort) -> None:
    """Check that a vector is the one that a site of the cohort committed to.

    Raises:
        SecureAggregationError: If it is not; the site has not uploaded then.
    """
    manifest = cohort.manifest
    known = {(entry.site, entry.ready_id) for entry in manifest.entries}
    ours = upload.manifest_sha256 == manifest.sha256 and (upload.site, upload.ready_id) in known
    nbytes = cohort.terms.ring.num_words * WORD_NBYTES
    if not ours or {upload.nbytes, path.stat().st_size} != {nbytes}:
        raise _not_taken(upload.site, "belongs to another cohort, or has another length")
    if file_sha256(path) != upload.vector_sha256:
        raise _not_taken(upload.site, "is not the one that the site committed to")


def merge(
    cohort: FrozenCohort, vectors: Mapping[str, Path], answers: Sequence[UnmaskAnswer]
) -> Words:
    """MERGE: return the sum of the vectors of those who uploaded, without masks and checked.

    Args:
        cohort: The cohort.
        vectors: The checked uploads of exactly the sites that the requests named.
        answers: In any order; one that is repeated, forged, or to another request changes nothing.

    Raises:
        SecureAggregationError: If fewer members than the threshold gave right shares, a site's
            shares do not make what it announced, or the sum is none of updates. No privacy is
            lost; the sites have to get ready again.
    """
    uploaded = tuple(sorted(vectors))
    masks = _masks_of_sum(cohort, uploaded, _by_place(cohort, uploaded, answers))
    total = np.empty(cohort.terms.ring.num_words, dtype="<u4")
    start = 0
    sums = _sums([vectors[site] for site in uploaded])
    for piece in apply_masks(sums, [mask.opposite for mask in masks]):
        total[start : start + len(piece)] = piece
        start += len(piece)
    cohort.terms.ring.check_sum(total, len(uploaded))
    return total


def _by_place(
    cohort: FrozenCohort, uploaded: tuple[str, ...], answers: Sequence[UnmaskAnswer]
) -> list[tuple[int, UnmaskAnswer]]:
    """Return the answers to this request, each with its place on the committee's list, from 1."""
    places = {member.site: x for x, member in enumerate(cohort.terms.committee, start=1)}
    asked = (cohort.manifest.sha256, uploaded, len(cohort.manifest.entries))
    return [
        (places[answer.member], answer)
        for answer in answers
        if (answer.manifest_sha256, answer.uploaded, len(answer.shares)) == asked
        and answer.member in places
    ]


def _masks_of_sum(
    cohort: FrozenCohort, uploaded: tuple[str, ...], answers: Sequence[tuple[int, UnmaskAnswer]]
) -> list[Mask]:
    """Return the masks that are left in the sum of the uploads."""
    manifest, masks = cohort.manifest, []
    digest = manifest.sha256
    present = [entry for entry in manifest.entries if entry.site in uploaded]
    for place, entry in enumerate(manifest.entries):
        kind = "seed" if entry.site in uploaded else "key"
        secret = _reconstructed(cohort, place, kind, answers)
        if kind == "seed":
            masks.append(own_mask(secret, digest))
            continue
        # Those who uploaded added the opposite of what the site that dropped out would have added.
        masks += [pair_mask(secret, entry.site, other, digest).opposite for other in present]
    return masks


def _reconstructed(
    cohort: FrozenCohort, place: int, kind: str, answers: Sequence[tuple[int, UnmaskAnswer]]
) -> bytes:
    """Return a site's seed or key from the shares that it committed to."""
    ready, threshold = cohort.manifest.entries[place], cohort.terms.threshold
    commitments = cohort.announcements[ready.site].shares.commitments
    right: dict[int, bytes] = {}
    for x, answer in answers:
        share = decoded(answer.shares[place])
        committed = commitments[x - 1][kind == "seed"]
        if len(right) < threshold and share_sha256(kind, ready.ready_id, x, share) == committed:
            right[x] = share
    if len(right) < threshold:
        raise _too_few(cohort, ready.site, kind, len(right), len({x for x, _ in answers}))
    secret = combine(right)
    if not _is_announced(secret, kind, ready):
        msg = (
            f"The shares of {ready.site} do not make the {kind} that it announced, so the sum of "
            f"cohort {cohort.manifest.cohort} cannot be opened and no version was made. Leave that "
            "site out, and let the others get ready again."
        )
        raise SecureAggregationError(msg)
    return secret


def _is_announced(secret: bytes, kind: str, ready: Ready) -> bool:
    if kind == "seed":
        return seed_sha256(ready.ready_id, secret) == ready.seed_sha256
    return public_of(secret) == ready.mask_key


def _too_few(
    cohort: FrozenCohort, site: str, kind: str, num_right: int, num_answered: int
) -> SecureAggregationError:
    terms = cohort.terms
    return SecureAggregationError(
        f"{num_right} of the {num_answered} members that answered have a right share of the {kind} "
        f"of {site}; {terms.threshold} of {len(terms.committee)} are needed. So the sum of cohort "
        f"{cohort.manifest.cohort} stays closed, and no version was made. Wait for more members, "
        "or let the sites get ready again."
    )


def _sums(paths: Sequence[Path]) -> Iterator[Words]:
    """Yield the sum of vectors, as `apply_masks` takes it."""
    vectors = [np.memmap(path, dtype="<u4", mode="r") for path in paths]
    for start in range(0, len(vectors[0]), PIECE_WORDS):
        total = np.array(vectors[0][start : start + PIECE_WORDS])
        for vector in vectors[1:]:
            np.add(total, vector[start : start + PIECE_WORDS], out=total)
        yield total


def _not_taken(site: str, why: str) -> SecureAggregationError:
    return SecureAggregationError(
        f"A vector of {site} {why}, so it does not count: the site has not uploaded. It can send "
        "the bytes again that it kept."
    )
