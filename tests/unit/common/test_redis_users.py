"""What the users of Redis may do, as rules: the attacks show what a server makes of them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import assume, given
from hypothesis import strategies as st

from common.keys import blob_key, redis_key
from common.messages import NAME_PATTERN
from common.redis_users import new_password, password_sha256, site_rules

names = st.from_regex(NAME_PATTERN, fullmatch=True)


def patterns(client: str) -> list[str]:
    """Return the patterns of all keys that a site may write."""
    tokens = " ".join(site_rules(client, "0" * 64)).replace("(", " ").replace(")", " ").split()
    return [token[1:] for token in tokens if token.startswith("~")]


def written(client: str, run: str) -> list[str]:
    """Return the keys that a site writes."""
    return [
        f"client.{client}", redis_key("client", client),
        redis_key("blob", blob_key("update", client, run, 3)),
    ]  # fmt: skip


@given(client=names, run=names)
def test_a_site_may_write_the_keys_that_it_writes(client, run):
    for key in written(client, run):
        assert any(fnmatchcase(key, pattern) for pattern in patterns(client))


@given(one=names, other=names, run=names)
def test_no_site_may_write_a_key_of_another(one, other, run):
    assume(one != other)
    for key in written(one, run):
        assert not any(fnmatchcase(key, pattern) for pattern in patterns(other))


def test_no_rule_holds_a_password():
    password = new_password()
    rules = site_rules("lyon", password_sha256(password))
    assert f"#{password_sha256(password)}" in rules
    assert password not in " ".join(rules)
    assert len(password) >= 43  # 256 bits


def test_events_are_published_by_the_number_of_the_database():
    assert "(+publish &/3.celeryev/*)" in site_rules("lyon", "0" * 64, database=3)
