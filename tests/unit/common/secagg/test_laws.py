"""Laws: the sum is right or the round aborts, and nobody gets both shares of a statement."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from common.errors import EquivocationError, SecureAggregationError
from common.secagg.merge import merge
from common.secagg.messages import encoded
from tests.unit.common.secagg.federation import secagg_federation

FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def all_but(data: st.DataObject, names: list[str], most: int) -> list[str]:
    """Return the names without a few of them, in any order."""
    return data.draw(st.permutations(names))[data.draw(st.integers(0, most)) :]


@given(data=st.data(), num_sites=st.integers(4, 8))
@FEW
def test_the_sum_is_right_or_the_round_aborts(data: st.DataObject, num_sites: int) -> None:
    with TemporaryDirectory() as folder:
        num_members = data.draw(st.integers(3, num_sites))
        fed = secagg_federation(Path(folder), num_sites=num_sites, num_members=num_members)
        ready = all_but(data, list(fed.sites), 2)
        uploaded = all_but(data, ready, 2)
        awake = all_but(data, list(fed.members), 2)
        liars = set(awake[: data.draw(st.integers(0, 1))])
        try:
            cohort = fed.freeze(fed.announce(ready))
            vectors = {name: fed.upload(cohort, name) for name in uploaded}
            answers = [
                answer.model_copy(update={"shares": (encoded(b"\x07" * 32),) * len(ready)})
                if answer.member in liars
                else answer
                for answer in fed.answer(cohort, awake, uploaded)
            ]
            total = merge(cohort, vectors, data.draw(st.permutations(answers + answers[:2])))
        except SecureAggregationError:
            event("aborted")
            honest = len(awake) - len(liars)
            assert min(len(ready), len(uploaded)) < 3 or honest < fed.terms.threshold
            return
        event("summed")
        assert len(uploaded) >= 3
        assert total.tobytes() == fed.plain_sum(uploaded).tobytes()


@given(data=st.data(), num_sites=st.integers(4, 6))
@FEW
def test_whatever_a_coordinator_asks_no_member_gives_both_shares(
    data: st.DataObject, num_sites: int
) -> None:
    with TemporaryDirectory() as folder:
        fed = secagg_federation(Path(folder), num_sites=num_sites)
        announcements = fed.announce(fed.sites)
        dropped = data.draw(st.sampled_from(sorted(fed.sites)))
        fewer = {name: each for name, each in announcements.items() if name != dropped}
        cohorts = [
            fed.freeze(announcements),
            fed.freeze(announcements, cohort="cohort-2"),
            fed.freeze(fewer, cohort="cohort-3"),
        ]
        given_away: dict[tuple[str, str], set[str]] = {}
        for _ in range(data.draw(st.integers(1, 8))):
            member = data.draw(st.sampled_from(sorted(fed.members)))
            cohort = data.draw(st.sampled_from(cohorts))
            uploaded = all_but(data, list(cohort.manifest.sites), 2)
            try:
                (answer,) = fed.answer(cohort, [member], uploaded)
            except SecureAggregationError:
                continue
            for site, share in zip(cohort.manifest.sites, answer.shares, strict=True):
                given_away.setdefault((member, site), set()).add(share)
        assert all(len(shares) == 1 for shares in given_away.values())


@given(first=st.sets(st.integers(0, 4), min_size=3), second=st.sets(st.integers(0, 4), min_size=3))
@FEW
def test_two_requests_split_over_the_members_open_at_most_one(
    first: set[int], second: set[int]
) -> None:
    """A coordinator that asks half of the committee one thing and half of it another gets less."""
    with TemporaryDirectory() as folder:
        fed = secagg_federation(Path(folder))
        names = sorted(fed.sites)
        cohort = fed.freeze(fed.announce(names))
        asked = [[names[n] for n in sorted(chosen)] for chosen in (first, second)]
        opened: Counter[str] = Counter()
        for member in names:
            for uploaded in asked if names.index(member) % 2 else asked[::-1]:
                try:
                    fed.answer(cohort, [member], uploaded)
                    opened[",".join(uploaded)] += 1
                except EquivocationError:
                    assert first != second
        reached = [each for each, count in opened.items() if count >= fed.terms.threshold]
        assert len(reached) <= 1
        if first != second:
            assert reached == []
