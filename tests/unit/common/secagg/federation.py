"""A federation of sites in one process, with stores on disk: what tests of secure aggregation play.

Nothing is imitated: sites, committee and coordinator are those of `common.secagg`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.identity import Identity
from common.secagg.cohort import Directory, Peer, check_announcement, freeze
from common.secagg.committee import CommitteeMember
from common.secagg.merge import FrozenCohort, check_upload, merge
from common.secagg.messages import Announcement, Terms, UnmaskAnswer, Upload
from common.secagg.ring import Ring, Words
from common.secagg.shamir import random_secret
from common.secagg.site import SecaggSite
from common.secagg.store import SecaggStore

MODEL = "b" * 64
PLAN = "a" * 64


@dataclass(frozen=True)
class SecaggFederation:
    terms: Terms
    directory: Directory
    sites: Mapping[str, SecaggSite]
    members: Mapping[str, CommitteeMember]
    folder: Path

    def vector(self, name: str, *, seed: int = 0) -> Words:
        """Return the vector that a site trained."""
        ring = self.terms.ring
        random = np.random.default_rng([seed, *name.encode()])
        values = random.normal(0, ring.clip / 3, ring.num_values).astype(np.float32)
        weight = int(random.integers(1, ring.max_weight + 1))
        return ring.quantise(values, weight=weight, figures=dict.fromkeys(ring.figures, 0.5))

    def announce(self, names: Iterable[str], *, work: str = "work") -> dict[str, Announcement]:
        made = {
            name: self.sites[name].prepare(
                work, self.vector(name), terms=self.terms, base_model_sha256=MODEL
            )
            for name in names
        }
        for announcement in made.values():
            check_announcement(announcement, self.terms, self.directory)
        return made

    def freeze(
        self, announcements: Mapping[str, Announcement], *, cohort: str = "cohort-1"
    ) -> FrozenCohort:
        readies = [each.ready for each in announcements.values()]
        manifest = freeze(cohort, readies, self.terms, self.directory)
        return FrozenCohort(self.terms, manifest, announcements)

    def upload(self, cohort: FrozenCohort, name: str, *, work: str = "work") -> Path:
        """Return where the coordinator has the checked bytes of a site."""
        site = self.sites[name]
        said: Upload = site.upload(work, cohort.manifest, self.terms)
        path = self.folder / f"received-{cohort.manifest.cohort}-{name}"
        path.write_bytes(site.masked_path(said).read_bytes())
        check_upload(said, path, cohort)
        return path

    def answer(
        self, cohort: FrozenCohort, members: Iterable[str], uploaded: Iterable[str]
    ) -> list[UnmaskAnswer]:
        sites = tuple(uploaded)
        return [
            self.members[name].answer(cohort.request(name, sites), self.terms) for name in members
        ]

    def sum(self, cohort: FrozenCohort, names: Iterable[str], members: Iterable[str]) -> Words:
        """Return the merged sum of those who upload, opened by these members."""
        vectors = {name: self.upload(cohort, name) for name in names}
        return merge(cohort, vectors, self.answer(cohort, members, vectors))

    def plain_sum(self, names: Iterable[str]) -> Words:
        total = np.zeros(self.terms.ring.num_words, dtype="<u4")
        for name in names:
            total += self.vector(name)
        return total


def secagg_federation(
    folder: Path, *, num_sites: int = 5, num_members: int | None = None, num_values: int = 40,
    min_organisations: int = 3,
) -> SecaggFederation:  # fmt: skip
    """Return a federation of sites `s00`, `s01`, ..., the first of which are the committee."""
    names = [f"s{number:02}" for number in range(num_sites)]
    identities = {name: Identity.make() for name in names}
    directory = {name: Peer(identities[name].public.text, f"org-{name}") for name in names}
    sites = {
        name: SecaggSite(
            name, identities[name], SecaggStore(folder / name / "site"), directory,
            min_organisations,
        )
        for name in names
    }  # fmt: skip
    members = {
        name: CommitteeMember(
            name, random_secret(), SecaggStore(folder / name / "committee"), directory,
            min_organisations,
        )
        for name in names[:num_members]
    }  # fmt: skip
    ring = Ring(
        num_values=num_values, clip=1.0, max_weight=100, max_sites=max(num_sites, 5),
        figures={"accuracy": 1.0},
    )  # fmt: skip
    committee = tuple(sites[name].member(member.seal_key) for name, member in members.items())
    terms = Terms(
        run="run-1", plan_hash=PLAN, ring=ring, min_organisations=min_organisations,
        committee=committee,
    )  # fmt: skip
    return SecaggFederation(terms, directory, sites, members, folder)
