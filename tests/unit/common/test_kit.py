"""A site's kit is read as its coordinator signed it, or refused with one line."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import wall_now
from common.errors import KitError
from common.identity import Identity
from common.kit import MAX_NBYTES, Kit, KitRedis, new_one_time, parse_kit, read_kit, write_kit
from common.settings import Settings
from common.site_join import is_held, site_join

COORDINATOR = Identity.make()
ONE_TIME = new_one_time()


def made(**changes: Any) -> Kit:
    known: dict[str, Any] = {
        "client": "lyon", "zone": "FR", "coordinator_key": COORDINATOR.public.text,
        "redis": KitRedis(
            host="fed.example.org", port=6379, database=0, tls=True, user="site-lyon",
            password="A" * 43, ca="-----BEGIN CERTIFICATE-----\n",
        ),
        "one_time_key": ONE_TIME.private, "made_at": wall_now(),
        "join_before": wall_now() + timedelta(days=7),
    }  # fmt: skip
    return Kit(**{**known, **changes})


KIT = made()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("kit") / "lyon.kit"
    write_kit(path, KIT, COORDINATOR)
    return path.read_bytes()


def test_a_kit_is_a_small_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    path = tmp_path / "lyon.kit"
    write_kit(path, KIT, COORDINATOR)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < 4096
    assert read_kit(path) == KIT


def test_a_kit_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "lyon.kit"
    path.write_text("a kit of yesterday")
    with pytest.raises(KitError, match="exists already"):
        write_kit(path, KIT, COORDINATOR)
    assert path.read_text() == "a kit of yesterday"
    with pytest.raises(KitError, match="There is no folder"):
        write_kit(tmp_path / "nowhere" / "lyon.kit", KIT, COORDINATOR)


def test_a_kit_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lyon.kit"
    write_kit(path, KIT, COORDINATOR)
    path.chmod(0o640)
    with pytest.raises(KitError, match="chmod 600"):
        read_kit(path)


def test_a_kit_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="No such file"):
        read_kit(tmp_path / "lyon.kit")
    with pytest.raises(KitError, match="cannot be read"):
        read_kit(tmp_path)


@given(st.data())
def test_a_kit_that_was_cut_off_is_damaged(raw: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(raw.rstrip()) - 1))
    with pytest.raises(KitError, match="is damaged"):
        parse_kit(raw[:length], "lyon.kit")


@given(st.data())
def test_an_altered_kit_is_refused_or_says_the_same(raw: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(raw) - 1))
    altered = bytearray(raw)
    altered[place] = data.draw(st.integers(0, 255))
    found = outcome(bytes(altered))
    if isinstance(found, str):
        assert len(found) < 400
        assert "\n" not in found
    else:
        assert found == KIT


def outcome(raw: bytes) -> Kit | str:
    """Return the kit in some bytes, or the line with which it is refused."""
    try:
        return parse_kit(raw, "lyon.kit")
    except KitError as error:
        return str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(Kit.model_fields)), json_values)
def test_no_other_value_of_any_part_is_believed(raw: bytes, name: str, value: Any) -> None:
    body = json.loads(raw)
    if body["kit"][name] == value:
        return
    body["kit"][name] = value
    with pytest.raises(KitError):
        parse_kit(json.dumps(body).encode(), "lyon.kit")


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_kit_is_damaged(raw: bytes) -> None:
    with pytest.raises(KitError):
        parse_kit(raw, "lyon.kit")


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b" " * (MAX_NBYTES + 1), b'{"fairwind_kit": true}'],
)  # fmt: skip
def test_what_is_too_deep_or_too_large_is_damaged(raw: bytes) -> None:
    with pytest.raises(KitError, match="is damaged"):
        parse_kit(raw, "lyon.kit")


def test_a_kit_of_a_later_version_names_both_versions(raw: bytes) -> None:
    later = json.dumps({**json.loads(raw), "fairwind_kit": 2, "more": []}).encode()
    with pytest.raises(KitError, match="is of version 2, and this Fairwind reads version 1"):
        parse_kit(later, "lyon.kit")


def test_a_kit_signed_by_somebody_else_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "lyon.kit"
    write_kit(path, KIT, Identity.make())
    with pytest.raises(KitError, match="not as its coordinator signed it"):
        read_kit(path)


@pytest.mark.parametrize("host", ["fed.example.org", "10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("tls", [True, False])
def test_its_address_is_one_that_settings_take(host: str, tls: object, tmp_path: Path) -> None:
    place = KIT.redis.model_copy(update={"host": host, "tls": tls})
    address = place.address(tmp_path / "a folder" / "ca.crt")
    ours = Settings(redis_url=address)
    assert ours.redis_url == address
    assert " " not in address
    assert ("ssl_ca_certs" in address) is tls


def test_the_one_time_key_is_the_one_that_the_ledger_knows() -> None:
    assert KIT.one_time.public.text == ONE_TIME.public


def test_a_key_is_held_by_whoever_signed_for_it() -> None:
    joined = site_join("lyon", Identity.make(), ONE_TIME.public)
    assert is_held(joined)
    assert not is_held(joined.model_copy(update={"client": "oslo"}))
    assert not is_held(joined.model_copy(update={"key": Identity.make().public.text}))
