"""The cohort: which sites are summed, frozen by the coordinator and checked by every site.

A site believes its own directory of keys and organisations, its own minimum and its own statement.
What a coordinator says is compared with these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from common.envelope import public_key
from common.errors import SecureAggregationError, SignatureError
from common.secagg.keys import check_key
from common.secagg.messages import Announcement, Manifest, Ready, Terms


@dataclass(frozen=True)
class Peer:
    """A site as another one knows it, from its own files.

    Attributes:
        key: Its public key, as `Identity.public` shows it.
        organisation: To whom it belongs: sites of one count once.
    """

    key: str
    organisation: str


Directory = Mapping[str, Peer]
"""All sites that one believes to exist, by their names."""


def check_terms(terms: Terms, directory: Directory, *, min_organisations: int) -> None:
    """Check, at a site, that a run's plan protects what it would send.

    Args:
        terms: From the plan.
        directory: The site's own.
        min_organisations: The site's own least.

    Raises:
        SecureAggregationError: If a sum could be of fewer organisations, or of a committee that
            is not known or belongs to fewer.
    """
    least = terms.min_organisations
    require(
        least >= min_organisations,
        f"The plan of run {terms.run} sums at least {least} organisations, and this site wants "
        f"{min_organisations}",
    )
    for member in terms.committee:
        _check_signature(member.site, member.signature, member.signed_bytes(), directory)
        check_key(member.seal_key, member.site)
    found = _organisations((member.site for member in terms.committee), directory)
    require(
        found >= least,
        f"The committee of run {terms.run} belongs to {found} organisations, and the plan wants "
        f"{least}",
    )


def check_announcement(announcement: Announcement, terms: Terms, directory: Directory) -> None:
    """Check, at the coordinator, that a site may join a cohort.

    Raises:
        SecureAggregationError: If its statement is of another run or plan, is not its own, or has
            not one share for each member.
    """
    ready, shares = announcement.ready, announcement.shares
    count = len(terms.committee)
    require(
        len(shares.sealed) == len(shares.commitments) == count,
        f"{ready.site} has not sealed a share for each of {count} members",
    )
    require(
        shares.sha256 == ready.shares_sha256,
        f"The shares of {ready.site} are not those that it signed",
    )
    _check_statement(ready, directory)
    require(
        (ready.run, ready.terms_sha256) == (terms.run, terms.sha256),
        f"{ready.site} is ready for another plan than that of run {terms.run}",
    )


def freeze(cohort: str, readies: Iterable[Ready], terms: Terms, directory: Directory) -> Manifest:
    """Return the manifest of a cohort, the same whatever the order of arrival.

    Args:
        cohort: A name that no other cohort has.
        readies: Statements that were checked, all of one base model.
        terms: From the plan.
        directory: The coordinator's own.

    Raises:
        SecureAggregationError: If they make no cohort; no site has sent an update yet.
    """
    entries = tuple(sorted(readies, key=lambda ready: ready.site))
    require(
        terms.min_organisations <= len(entries) <= terms.ring.max_sites,
        f"Cohort {cohort} has {len(entries)} sites; between {terms.min_organisations} and "
        f"{terms.ring.max_sites} are allowed",
    )
    manifest = Manifest(
        cohort=cohort, run=terms.run, terms_sha256=terms.sha256,
        base_model_sha256=entries[0].base_model_sha256, entries=entries,
    )  # fmt: skip
    check_manifest(manifest, terms, directory)
    return manifest


def check_manifest(manifest: Manifest, terms: Terms, directory: Directory) -> None:
    """Check that a manifest is one cohort of this plan, made of statements of known sites.

    Raises:
        SecureAggregationError: If it is not; nothing may be sent for it.
    """
    entries, shown = manifest.entries, f"The manifest of cohort {manifest.cohort}"
    require(
        (manifest.run, manifest.terms_sha256) == (terms.run, terms.sha256),
        f"{shown} is of another run or plan than {terms.run}",
    )
    require(
        list(manifest.sites) == sorted(set(manifest.sites)),
        f"{shown} names a site twice, or out of order",
    )
    for distinct in ("ready_id", "mask_key"):
        require(
            len({getattr(entry, distinct) for entry in entries}) == len(entries),
            f"{shown} has one {distinct} for two sites",
        )
    most = terms.ring.max_sites
    require(len(entries) <= most, f"{shown} has more than {most} sites")
    same = (manifest.run, manifest.terms_sha256, manifest.base_model_sha256)
    for entry in entries:
        require(
            (entry.run, entry.terms_sha256, entry.base_model_sha256) == same,
            f"{shown} has {entry.site} with another plan or base model",
        )
        _check_statement(entry, directory)
    check_organisations(manifest.sites, terms, directory)


def check_organisations(sites: Iterable[str], terms: Terms, directory: Directory) -> None:
    """Check that so many distinct organisations hide each other.

    Raises:
        SecureAggregationError: If they are too few.
    """
    found = _organisations(sites, directory)
    require(
        found >= terms.min_organisations,
        f"A sum of run {terms.run} would be of {found} organisations, and its plan wants "
        f"{terms.min_organisations}",
    )


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - a condition, as of assert
    """Check one condition of taking part.

    Raises:
        SecureAggregationError: If it does not hold.
    """
    if not holds:
        msg = (
            f"{otherwise}, so nothing is sent, opened or summed. Compare the run's plan and the "
            "list of sites with the coordinator's."
        )
        raise SecureAggregationError(msg)


def _organisations(sites: Iterable[str], directory: Directory) -> int:
    return len({directory[site].organisation for site in sites})


def _check_statement(ready: Ready, directory: Directory) -> None:
    _check_signature(ready.site, ready.signature, ready.signed_bytes(), directory)
    check_key(ready.mask_key, ready.site)
    check_key(ready.seal_key, ready.site)


def _check_signature(site: str, signature: str, signed: bytes, directory: Directory) -> None:
    require(site in directory, f"{site} is not in the list of sites that are known here")
    require(
        _is_signed(directory[site].key, signature, signed),
        f"What {site} is said to have signed is not signed by it",
    )


def _is_signed(key: str, signature: str, signed: bytes) -> bool:
    try:
        public_key(key).verify(signature, signed)
    except SignatureError:
        return False
    return True
