"""A committee member's part: it answers one request for a manifest, once and for ever.

For a site whose vector is in the sum it opens its share of the site's own seed; for one that
dropped out, its share of the key of the pairs' masks. Both together would show the site's update.
So it remembers the manifest of each statement, and the answered request of each manifest, before
it answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from common.identity import canonical_json
from common.secagg.cohort import (
    Directory,
    check_manifest,
    check_organisations,
    check_terms,
    require,
)
from common.secagg.keys import public_of, share_info, unseal
from common.secagg.messages import Terms, UnmaskAnswer, UnmaskRequest, encoded
from common.secagg.store import Key, SecaggStore

_STATEMENT, _ANSWERED = "statement in a manifest", "unmask request"


@dataclass(frozen=True)
class CommitteeMember:
    """A member of committees.

    Attributes:
        name: The site's.
        seal_key: The private X25519 key for which shares are sealed.
        store: Its own. It may be deleted only together with the key, and never went back to an
            older state, such as from a backup.
        directory: All sites that it believes to exist.
        min_organisations: It opens no sum of fewer.
    """

    name: str
    seal_key: bytes
    store: SecaggStore
    directory: Directory
    min_organisations: int

    def answer(self, request: UnmaskRequest, terms: Terms) -> UnmaskAnswer:
        """UNMASK: return one share of each site of a manifest.

        The same request gets the same answer.

        Raises:
            SecureAggregationError: If the request fails a check.
            EquivocationError: If another request was answered for this manifest, or a statement
                in it belongs to another manifest.
        """
        manifest = request.manifest
        check_terms(terms, self.directory, min_organisations=self.min_organisations)
        check_manifest(manifest, terms, self.directory)
        self._check(request, terms)
        digest = manifest.sha256
        records: dict[Key, bytes] = {
            (_STATEMENT, entry.ready_id): digest.encode() for entry in manifest.entries
        }
        records[_ANSWERED, digest] = _uploaded_sha256(request)
        self.store.keep(records)
        return UnmaskAnswer(
            manifest_sha256=digest, uploaded=request.uploaded, member=self.name,
            shares=self._shares(request),
        )  # fmt: skip

    def _check(self, request: UnmaskRequest, terms: Terms) -> None:
        uploaded, manifest = request.uploaded, request.manifest
        ours = (self.name, public_of(self.seal_key))
        require(
            ours in {(member.site, member.seal_key) for member in terms.committee},
            f"{self.name} is not on the committee of the plan with its present key",
        )
        require(
            list(uploaded) == sorted(set(uploaded)) and set(uploaded) <= set(manifest.sites),
            "A request to unmask names sites twice, out of order, or outside the cohort",
        )
        require(
            len(request.sealed) == len(manifest.entries),
            "A request to unmask has not one sealed share for each site of the cohort",
        )
        check_organisations(uploaded, terms, self.directory)

    def _shares(self, request: UnmaskRequest) -> tuple[str, ...]:
        """Return one share of each site: never both."""
        shares = []
        for sealed, ready in zip(request.sealed, request.manifest.entries, strict=True):
            info = share_info(ready.ready_id, ready.terms_sha256, ready.site, self.name)
            opened = unseal(sealed, self.seal_key, ready, info)
            if opened is None:
                shares.append("")
                continue
            of_key, of_seed = opened
            shares.append(encoded(of_seed if ready.site in request.uploaded else of_key))
        return tuple(shares)


def _uploaded_sha256(request: UnmaskRequest) -> bytes:
    return hashlib.sha256(canonical_json(request.uploaded)).hexdigest().encode()
