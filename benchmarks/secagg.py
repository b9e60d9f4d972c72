"""What secure aggregation costs: CPU seconds of a site, a committee member and the coordinator.

50 sites of as many organisations, all of them on the committee, update 10 million parameters. 15
of them drop out after the cohort was frozen, and 16 members do not answer. It needs 3 GB of disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from common.identity import Identity
from common.secagg.cohort import Directory, Peer, check_announcement, freeze
from common.secagg.committee import CommitteeMember
from common.secagg.merge import FrozenCohort, check_upload, merge
from common.secagg.messages import Announcement, Terms
from common.secagg.ring import Ring, Words
from common.secagg.shamir import random_secret
from common.secagg.site import SecaggSite
from common.secagg.store import SecaggStore

_NUM_VALUES = 10_000_000
_NUM_SITES, _NUM_LOST = 50, 15
_MIN_ORGANISATIONS = 5
_WORK, _MODEL = "round-1", "0" * 64
_SITE_TARGET_S, _COORDINATOR_TARGET_S = 1.0, 6.0


@dataclass(frozen=True)
class _Federation:
    terms: Terms
    directory: Directory
    sites: Mapping[str, SecaggSite]
    members: Mapping[str, CommitteeMember]


@dataclass(frozen=True)
class _Sent:
    """What the sites sent, what it cost each of them, and the plain sum to compare with."""

    announcements: Mapping[str, Announcement]
    plain_sum: Words
    cpu_s: Mapping[str, float]


def measure_secagg() -> None:
    """Print CPU seconds and bytes of each step, and whether the sum has the plain sum's bits."""
    with tempfile.TemporaryDirectory() as folder:
        federation = _make(Path(folder))
        names = sorted(federation.sites)
        present = names[_NUM_LOST:]
        sent = _announce(federation, present)
        begun = process_time()
        for announcement in sent.announcements.values():
            check_announcement(announcement, federation.terms, federation.directory)
        readies = [each.ready for each in sent.announcements.values()]
        manifest = freeze("cohort", readies, federation.terms, federation.directory)
        frozen_s = process_time() - begun
        cohort = FrozenCohort(federation.terms, manifest, sent.announcements)
        _finish(federation, cohort, sent, present, frozen_s)


def _make(folder: Path) -> _Federation:
    names = [f"site-{number:02}" for number in range(_NUM_SITES)]
    identities = {name: Identity.make() for name in names}
    directory = {name: Peer(identities[name].public.text, name) for name in names}
    sites = {
        name: SecaggSite(
            name, identities[name], SecaggStore(folder / name), directory, _MIN_ORGANISATIONS
        )
        for name in names
    }
    members = {
        name: CommitteeMember(
            name, random_secret(), SecaggStore(folder / f"{name}-committee"), directory,
            _MIN_ORGANISATIONS,
        )
        for name in names
    }  # fmt: skip
    terms = Terms(
        run="bench", plan_hash="0" * 64, min_organisations=_MIN_ORGANISATIONS,
        ring=Ring(num_values=_NUM_VALUES, clip=1e-2, max_weight=1000, max_sites=_NUM_SITES),
        committee=tuple(sites[name].member(members[name].seal_key) for name in names),
    )  # fmt: skip
    return _Federation(terms, directory, sites, members)


def _announce(federation: _Federation, present: list[str]) -> _Sent:
    """Let all sites quantise an update and get ready; those who drop out forget it at once."""
    ring = federation.terms.ring
    values = np.random.default_rng(0).normal(0, 1e-3, _NUM_VALUES).astype(np.float32)
    total = np.zeros(ring.num_words, dtype="<u4")
    announcements, cpu_s = {}, {}
    for weight, (name, site) in enumerate(federation.sites.items(), start=1):
        begun = process_time()
        vector = ring.quantise(values, weight=weight, figures={})
        announcements[name] = site.prepare(
            _WORK, vector, terms=federation.terms, base_model_sha256=_MODEL
        )
        cpu_s[name] = process_time() - begun
        if name in present:
            total += vector
        else:
            site.finish(_WORK)
    return _Sent(announcements, total, cpu_s)


def _finish(
    federation: _Federation, cohort: FrozenCohort, sent: _Sent, present: list[str], frozen_s: float
) -> None:
    """Upload, unmask and merge, and print what all of it took."""
    terms, uploads, vectors, site_s = federation.terms, [], {}, []
    for name in present:
        site, begun = federation.sites[name], process_time()
        uploads.append(site.upload(_WORK, cohort.manifest, terms))
        site_s.append(sent.cpu_s[name] + process_time() - begun)
        vectors[name] = site.masked_path(uploads[-1])
    answers, member_s = [], []
    for name in sorted(federation.members)[: terms.threshold]:
        request, begun = cohort.request(name, present), process_time()
        answers.append(federation.members[name].answer(request, terms))
        member_s.append(process_time() - begun)
    begun = process_time()
    for upload in uploads:
        check_upload(upload, vectors[upload.site], cohort)
    checked_s = process_time() - begun
    begun = process_time()
    total = merge(cohort, vectors, answers)
    merged_s = process_time() - begun
    same = total.tobytes() == sent.plain_sum.tobytes()
    ready_nbytes = len(next(iter(sent.announcements.values())).model_dump_json())
    coordinator_s = frozen_s + merged_s
    _print(
        f"{_NUM_SITES} sites, {_NUM_VALUES / 1e6:.0f} M parameters, {_NUM_LOST} lost, "
        f"{terms.threshold} of {len(terms.committee)} members answer",
        f"a site, all of it      {median(site_s):6.2f} s   {_met(median(site_s), _SITE_TARGET_S)}",
        f"a member's answer      {1e3 * median(member_s):6.0f} ms",
        f"READY checked, frozen  {frozen_s:6.2f} s",
        f"sum and masks          {merged_s:6.2f} s",
        f"coordinator, both      {coordinator_s:6.2f} s   "
        f"{_met(coordinator_s, _COORDINATOR_TARGET_S)}",
        f"SHA-256 of uploads     {checked_s:6.2f} s   as without secure aggregation",
        f"bytes: READY {ready_nbytes:,}, manifest {len(cohort.manifest.model_dump_json()):,}, "
        f"upload {uploads[0].nbytes:,} ({4 * _NUM_VALUES:,} in float32), answer "
        f"{len(answers[0].model_dump_json()):,}",
        f"the sum has {'the same' if same else 'OTHER'} bits as the plain sum",
    )


def _met(taken_s: float, target_s: float) -> str:
    return f"aimed at {target_s:g} s: {'met' if taken_s <= target_s else 'missed'}"


def _print(title: str, *lines: str) -> None:
    print(f"\nsecure aggregation: {title}; CPU seconds")
    for line in lines:
        print(f"  {line}")
