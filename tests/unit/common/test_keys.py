"""Different names make different keys, whatever characters they hold."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from common.keys import blob_key, joined, redis_key
from common.messages import NAME_PATTERN, BlobRef, update_key
from tests.unit.common.test_messages import assignment

# Few characters, separators among them: what could collide does so within a few examples.
awkward = st.text(alphabet="a.:~/|%-2357AE", max_size=5)
names = st.from_regex(NAME_PATTERN, fullmatch=True)
parts = st.lists(awkward, min_size=1, max_size=4).map(tuple)


@given(one=parts, other=parts, by=st.sampled_from(":~|/.-"))
def test_different_names_are_joined_to_different_texts(one, other, by):
    assume(one != other)
    assert joined(*one, by=by) != joined(*other, by=by)


@given(one=parts, other=parts)
def test_different_names_make_different_keys(one, other):
    assume(one != other)
    assert redis_key(*one) != redis_key(*other)
    assert blob_key(*one) != blob_key(*other)


def test_client_and_run_do_not_run_into_each_other():
    one = assignment(client="a", run="b.r")
    other = assignment(client="a.b", run="r")
    assert update_key(one) != update_key(other)


@given(client=names, run=names, number=st.integers(1, 10**6))
def test_the_key_of_any_update_is_a_key(client, run, number):
    work = assignment(client=client, run=run, round=number)
    key = update_key(work)
    assert BlobRef(key=key, sha256="0" * 64, nbytes=1).key == key
