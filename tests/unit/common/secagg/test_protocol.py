"""The rules of secure aggregation that are easy to get wrong, and what bad input does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from common.errors import EquivocationError, SecureAggregationError
from common.identity import Identity
from common.secagg.cohort import check_announcement, check_manifest, check_terms, freeze
from common.secagg.keys import own_mask, pair_mask
from common.secagg.masks import apply_masks, pieces_of
from common.secagg.merge import FrozenCohort, check_upload, merge
from common.secagg.messages import Announcement, Ready, Terms, UnmaskAnswer, decoded, encoded
from common.secagg.shamir import combine
from tests.unit.common.secagg.federation import MODEL, SecaggFederation, secagg_federation

NAMES = ["s00", "s01", "s02", "s03", "s04"]
FOUR = NAMES[:4]
"""The threshold of a committee of five is four."""


@pytest.fixture
def fed(tmp_path: Path) -> SecaggFederation:
    return secagg_federation(tmp_path)


@pytest.fixture
def cohort(fed: SecaggFederation) -> FrozenCohort:
    return fed.freeze(fed.announce(NAMES))


def signed_again(fed: SecaggFederation, ready: Ready, **changed: object) -> Ready:
    """Return a statement that its own site altered."""
    draft = ready.model_copy(update=changed)
    signature = fed.sites[ready.site].identity.sign(draft.signed_bytes())
    return draft.model_copy(update={"signature": signature})


# --- the sum ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_the_sum_has_the_bits_of_the_plain_sum_whoever_is_lost(fed, cohort, lost) -> None:
    present = NAMES[lost:]
    total = fed.sum(cohort, present, FOUR)
    assert total.tobytes() == fed.plain_sum(present).tobytes()


def test_no_upload_resembles_its_update_and_two_together_do_not_either(fed, cohort) -> None:
    vectors = [np.fromfile(fed.upload(cohort, name), dtype="<u4") for name in NAMES]
    for name, vector in zip(NAMES, vectors, strict=True):
        assert (vector != fed.vector(name)).mean() > 0.9
    assert (vectors[0] + vectors[1] != fed.vector("s00") + fed.vector("s01")).mean() > 0.9


def test_orders_of_arrival_make_the_same_manifest_and_the_same_bits(fed) -> None:
    announcements = fed.announce(reversed(NAMES))
    one = fed.freeze(announcements)
    assert one.manifest == fed.freeze(dict(reversed(announcements.items()))).manifest
    vectors = {name: fed.upload(one, name) for name in NAMES}
    answers = fed.answer(one, NAMES, NAMES)
    total = merge(one, vectors, answers)
    again = merge(one, dict(reversed(vectors.items())), [*reversed(answers), *answers])
    assert total.tobytes() == again.tobytes()


# --- rule 2: kept before it is sent, and sent again unchanged ---------------------------------


def test_a_redelivered_assignment_announces_and_uploads_the_same_bytes(fed, cohort) -> None:
    name = "s01"
    again = fed.sites[name].prepare(
        "work", fed.vector(name, seed=9), terms=fed.terms, base_model_sha256=MODEL
    )
    assert again == cohort.announcements[name]
    first = fed.upload(cohort, name).read_bytes()
    assert fed.upload(cohort, name).read_bytes() == first


def test_a_site_that_dies_before_it_says_so_uploads_the_same_bytes(fed, cohort) -> None:
    site, manifest = fed.sites["s01"], cohort.manifest
    first = site.upload("work", manifest, fed.terms)
    before = site.masked_path(first).read_bytes()
    site.store.forget(("upload", first.ready_id))  # as if it had died before the record
    site.store.remove_vector(f"masked-{first.ready_id}")
    assert site.upload("work", manifest, fed.terms) == first
    assert site.masked_path(first).read_bytes() == before


# --- rule 3: a statement joins one manifest ---------------------------------------------------


def test_a_statement_joins_one_manifest_only(fed, cohort) -> None:
    other = fed.freeze(cohort.announcements, cohort="cohort-2")
    fed.upload(cohort, "s01")
    with pytest.raises(EquivocationError, match=r"manifest of .* already"):
        fed.upload(other, "s01")


def test_after_a_cohort_that_failed_before_uploads_the_same_update_gets_new_keys(fed) -> None:
    old = fed.announce(NAMES)
    again = {
        name: site.prepare("again", site.vector("work"), terms=fed.terms, base_model_sha256=MODEL)
        for name, site in fed.sites.items()
    }
    for name in NAMES:
        assert again[name].ready.ready_id != old[name].ready.ready_id
        assert again[name].ready.mask_key != old[name].ready.mask_key
    second = fed.freeze(again, cohort="cohort-2")
    vectors = {name: fed.upload(second, name, work="again") for name in NAMES}
    total = merge(second, vectors, fed.answer(second, FOUR, NAMES))
    assert total.tobytes() == fed.plain_sum(NAMES).tobytes()


def test_an_update_that_joined_a_manifest_is_in_no_second_sum(fed, cohort) -> None:
    """Of two sums that differ in one site, the difference is that site's update."""
    fed.upload(cohort, "s01")
    with pytest.raises(SecureAggregationError, match="belongs to a cohort already"):
        fed.sites["s01"].vector("work")


# --- rule 4: masks are bound to plan and base model -------------------------------------------


def test_a_site_with_another_base_model_is_in_no_manifest(fed) -> None:
    announcements = fed.announce(FOUR)
    announcements["s04"] = fed.sites["s04"].prepare(
        "work", fed.vector("s04"), terms=fed.terms, base_model_sha256="c" * 64
    )
    with pytest.raises(SecureAggregationError, match="s04 with another plan or base model"):
        fed.freeze(announcements)


def test_two_manifests_shown_to_two_sites_give_no_sum(fed, cohort) -> None:
    other = fed.freeze(cohort.announcements, cohort="cohort-2")
    vectors = {name: fed.upload(cohort, name) for name in FOUR}
    vectors["s04"] = fed.upload(other, "s04")
    with pytest.raises(SecureAggregationError, match="no sum of updates"):
        merge(cohort, vectors, fed.answer(cohort, NAMES, NAMES))
    with pytest.raises(EquivocationError):
        fed.answer(other, FOUR, NAMES)


# --- rule 5: what is reconstructed is what was announced --------------------------------------


@pytest.mark.parametrize("kind", ["key", "seed"])
def test_a_site_whose_shares_make_something_else_is_named_and_nothing_is_summed(fed, kind) -> None:
    announcements = fed.announce(NAMES)
    liar = announcements["s04"]
    field = {"key": "mask_key", "seed": "seed_sha256"}[kind]
    value = {"key": announcements["s03"].ready.seal_key, "seed": "d" * 64}[kind]
    announcements["s04"] = Announcement(
        ready=signed_again(fed, liar.ready, **{field: value}), shares=liar.shares
    )
    cohort = fed.freeze(announcements)
    present = FOUR if kind == "key" else NAMES
    vectors = {name: fed.upload(cohort, name) for name in FOUR}
    if kind == "seed":
        vectors["s04"] = vectors["s03"]
    with pytest.raises(SecureAggregationError, match=f"shares of s04 do not make the {kind}"):
        merge(cohort, vectors, fed.answer(cohort, FOUR, present))


def test_a_wrong_share_does_not_count_and_enough_right_ones_do(fed, cohort) -> None:
    vectors = {name: fed.upload(cohort, name) for name in NAMES[1:]}
    answers = fed.answer(cohort, NAMES, vectors)
    lie = encoded(b"\x01" * 32)
    lying = answers[0].model_copy(update={"shares": (lie,) * 5})
    total = merge(cohort, vectors, [lying, *answers[1:]])
    assert total.tobytes() == fed.plain_sum(vectors).tobytes()
    with pytest.raises(SecureAggregationError, match="3 of the 4 members that answered"):
        merge(cohort, vectors, [lying, *answers[1:4]])


def test_a_share_counts_at_its_members_place_alone(fed, cohort) -> None:
    vectors = {name: fed.upload(cohort, name) for name in NAMES}
    answers = fed.answer(cohort, FOUR, vectors)
    swapped = [
        answers[0].model_copy(update={"member": "s01"}),
        answers[1].model_copy(update={"member": "s00"}),
        *answers[2:],
    ]
    with pytest.raises(SecureAggregationError, match="4 of 5 are needed"):
        merge(cohort, vectors, swapped)


# --- rule 6: what is over is forgotten --------------------------------------------------------


def test_keys_and_vectors_are_gone_when_the_cohort_is_over(fed, cohort) -> None:
    site = fed.sites["s01"]
    upload = site.upload("work", cohort.manifest, fed.terms)
    site.finish("work")
    assert site.store.get("secrets", upload.ready_id) is None
    assert list((fed.folder / "s01" / "site").glob("*.u32")) == []
    site.finish("work")
    with pytest.raises(SecureAggregationError, match="its cohort is over"):
        site.upload("work", cohort.manifest, fed.terms)
    with pytest.raises(EquivocationError):
        fed.upload(fed.freeze(cohort.announcements, cohort="cohort-2"), "s01")


# --- rule 7: a late upload stays closed -------------------------------------------------------


def test_a_late_upload_stays_hidden_by_its_own_mask(fed, cohort) -> None:
    vectors = {name: fed.upload(cohort, name) for name in FOUR}
    answers = fed.answer(cohort, FOUR, FOUR)
    total = merge(cohort, vectors, answers)
    late = {**vectors, "s04": fed.upload(cohort, "s04")}
    with pytest.raises(SecureAggregationError, match="0 of the 0 members"):
        merge(cohort, late, answers)
    # The coordinator even knows the key of s04 now, and takes off all masks that it shares.
    place, digest = cohort.manifest.sites.index("s04"), cohort.manifest.sha256
    shares = {x: decoded(answer.shares[place]) for x, answer in enumerate(answers, start=1)}
    key = combine(shares)
    others = [entry for entry in cohort.manifest.entries if entry.site != "s04"]
    words = np.fromfile(late["s04"], dtype="<u4")
    masks = [pair_mask(key, "s04", other, digest).opposite for other in others]
    for _ in apply_masks(pieces_of(words), masks):
        pass
    assert (words != fed.vector("s04")).mean() > 0.9
    assert total.tobytes() == fed.plain_sum(FOUR).tobytes()
    assert own_mask(key, digest).seed != key


# --- the committee: once and for ever ---------------------------------------------------------


def test_the_same_request_gets_the_same_answer_and_another_one_none(fed, cohort) -> None:
    (first,) = fed.answer(cohort, ["s00"], NAMES)
    assert fed.answer(cohort, ["s00"], NAMES) == [first]
    with pytest.raises(EquivocationError, match=r"unmask request of .* already"):
        fed.answer(cohort, ["s00"], NAMES[1:])


def test_no_member_opens_both_shares_of_a_statement_in_two_manifests(fed, cohort) -> None:
    fed.answer(cohort, ["s00"], NAMES)
    subset = {name: cohort.announcements[name] for name in FOUR}
    for announcements in (cohort.announcements, subset):
        other = fed.freeze(announcements, cohort="cohort-2")
        with pytest.raises(EquivocationError, match="statement in a manifest of"):
            fed.answer(other, ["s00"], ["s01", "s02", "s03"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"uploaded": ("s00", "s01")}, "would be of 2 organisations"),
        ({"uploaded": ("s01", "s00", "s02")}, "out of order"),
        ({"uploaded": ("s00", "s01", "s02", "s09")}, "outside the cohort"),
        ({"sealed": ()}, "has not one sealed share"),
    ],
)
def test_a_bad_request_is_refused_and_leaves_no_trace(fed, cohort, changed, said) -> None:
    request = cohort.request("s00", NAMES).model_copy(update=changed)
    with pytest.raises(SecureAggregationError, match=said):
        fed.members["s00"].answer(request, fed.terms)
    assert len(fed.answer(cohort, ["s00"], NAMES)) == 1


def test_shares_are_opened_by_the_member_they_are_for_alone(fed, cohort) -> None:
    swapped = cohort.request("s00", NAMES).model_copy(
        update={"sealed": cohort.request("s01", NAMES).sealed}
    )
    assert fed.members["s00"].answer(swapped, fed.terms).shares == ("",) * 5


def test_a_site_off_the_committee_answers_nothing(tmp_path) -> None:
    fed = secagg_federation(tmp_path, num_members=4)
    cohort = fed.freeze(fed.announce(NAMES))
    outsider = secagg_federation(tmp_path / "other").members["s00"]
    with pytest.raises(SecureAggregationError):
        outsider.answer(cohort.request("s00", NAMES), fed.terms)
    assert fed.sum(cohort, NAMES, FOUR[:3]).tobytes() == fed.plain_sum(NAMES).tobytes()


# --- what sites and coordinator check ---------------------------------------------------------


def test_a_statement_is_its_sites_own(fed, cohort) -> None:
    announcement = cohort.announcements["s01"]
    forged = announcement.ready.model_copy(update={"seal_key": announcement.ready.mask_key})
    for altered in (
        announcement.model_copy(update={"ready": forged}),
        announcement.model_copy(update={"shares": cohort.announcements["s02"].shares}),
    ):
        with pytest.raises(SecureAggregationError, match="signed"):
            check_announcement(altered, fed.terms, fed.directory)


def test_a_key_that_agrees_with_everybody_is_refused(fed, cohort) -> None:
    announcement = cohort.announcements["s01"]
    ready = signed_again(fed, announcement.ready, mask_key=encoded(bytes(32)))
    with pytest.raises(SecureAggregationError, match="key of s01 makes the same secret"):
        check_announcement(
            Announcement(ready=ready, shares=announcement.shares), fed.terms, fed.directory
        )


def test_a_manifest_of_strangers_or_of_few_organisations_is_refused_by_the_site(
    fed, cohort
) -> None:
    known = {name: peer for name, peer in fed.directory.items() if name != "s04"}
    with pytest.raises(SecureAggregationError, match="s04 is not in the list"):
        check_manifest(cohort.manifest, fed.terms, known)
    one = {name: peer.__class__(peer.key, "one") for name, peer in fed.directory.items()}
    with pytest.raises(SecureAggregationError, match="of 1 organisations"):
        check_manifest(cohort.manifest, fed.terms, one)


def test_an_altered_manifest_gets_no_upload(fed, cohort) -> None:
    manifest, entries = cohort.manifest, cohort.manifest.entries
    forged = entries[0].model_copy(update={"mask_key": entries[1].seal_key})
    for altered, said in (
        ({"entries": entries[::-1]}, "out of order"),
        ({"entries": (entries[0], *entries)}, "twice"),
        ({"entries": (forged, *entries[1:])}, "not signed by it"),
        ({"entries": entries[1:]}, "not the statement of s00"),
        ({"run": "run-2"}, "another run or plan"),
        ({"base_model_sha256": "c" * 64}, "another plan or base model"),
    ):
        bad = manifest.model_copy(update=altered)
        with pytest.raises(SecureAggregationError, match=said):
            fed.sites["s00"].upload("work", bad, fed.terms)
    fed.upload(cohort, "s00")  # none of them used up the statement


def test_a_plan_below_the_sites_own_minimum_or_with_a_forged_committee_is_refused(fed) -> None:
    with pytest.raises(SecureAggregationError, match=r"at least 3 organisations.* wants 4"):
        check_terms(fed.terms, fed.directory, min_organisations=4)
    stranger = fed.terms.committee[0].model_copy(update={"signature": Identity.make().sign(b"")})
    forged = fed.terms.model_copy(update={"committee": (stranger, *fed.terms.committee[1:])})
    with pytest.raises(SecureAggregationError, match="not signed by it"):
        fed.sites["s01"].prepare("w", fed.vector("s01"), terms=forged, base_model_sha256=MODEL)


def test_the_threshold_follows_from_the_committee(fed) -> None:
    member = fed.terms.committee[0]
    for count, threshold in ((3, 3), (4, 3), (5, 4), (6, 5), (50, 34)):
        members = tuple(member.model_copy(update={"site": f"m{n}"}) for n in range(count))
        assert fed.terms.model_copy(update={"committee": members}).threshold == threshold
    assert "threshold" not in Terms.model_fields


def test_too_few_ready_sites_make_no_cohort(fed) -> None:
    readies = [each.ready for each in fed.announce(NAMES[:2]).values()]
    with pytest.raises(SecureAggregationError, match="has 2 sites; between 3 and 5"):
        freeze("cohort-1", readies, fed.terms, fed.directory)


def test_a_vector_that_is_not_the_committed_one_is_not_taken(fed, cohort) -> None:
    said = fed.sites["s01"].upload("work", cohort.manifest, fed.terms)
    path = fed.upload(cohort, "s01")
    raw = path.read_bytes()
    path.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    with pytest.raises(SecureAggregationError, match="not the one that the site committed to"):
        check_upload(said, path, cohort)
    path.write_bytes(raw[:-4])
    with pytest.raises(SecureAggregationError, match="another length"):
        check_upload(said, path, cohort)


def test_a_site_that_sends_values_out_of_range_spoils_the_round_and_no_more(fed) -> None:
    announcements = fed.announce(FOUR)
    wide = fed.vector("s04")
    wide[-1] = 7  # a check word
    announcements["s04"] = fed.sites["s04"].prepare(
        "work", wide, terms=fed.terms, base_model_sha256=MODEL
    )
    with pytest.raises(SecureAggregationError, match=re.escape("no sum of updates")):
        fed.sum(fed.freeze(announcements), NAMES, FOUR)


def test_sleeping_members_leave_the_sum_closed_until_enough_answer(fed, cohort) -> None:
    vectors = {name: fed.upload(cohort, name) for name in NAMES}
    answers = fed.answer(cohort, FOUR[:3], vectors)
    with pytest.raises(SecureAggregationError, match="Wait for more members"):
        merge(cohort, vectors, answers)
    answers += fed.answer(cohort, ["s04"], vectors)
    assert merge(cohort, vectors, answers).tobytes() == fed.plain_sum(NAMES).tobytes()


def test_an_answer_of_the_wrong_length_or_of_a_stranger_changes_nothing(fed, cohort) -> None:
    vectors = {name: fed.upload(cohort, name) for name in NAMES}
    answers = fed.answer(cohort, FOUR, vectors)
    short = answers[0].model_copy(update={"shares": ()})
    stranger = answers[0].model_copy(update={"member": "s09"})
    total = merge(cohort, vectors, [short, stranger, *answers])
    assert total.tobytes() == fed.plain_sum(NAMES).tobytes()
    assert UnmaskAnswer.model_validate(answers[0].model_dump()) == answers[0]
