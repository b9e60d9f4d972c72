"""An address of Redis is refused in one line, without a word of what may be its password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from kombu.utils.url import parse_url
from pydantic import TypeAdapter

from common import settings
from common.errors import SettingError
from common.settings.redis_address import RedisAddress

ADDRESS = TypeAdapter(RedisAddress)

SECRET = "hunter2horse"  # noqa: S105 - of nothing


def refused(url: str) -> str:
    with pytest.raises(SettingError) as caught:
        ADDRESS.validate_python(url)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0", "redis://fed.example.org", "redis://h/", "redis://[::1]:6379/2",
        "redis://u:p@h/15", "redis://:pa%2Fss%23%5B%5D%40%3A%25@h/0", "redis://:a:b@c@h/0",
        "rediss://h:6379/0?ssl_cert_reqs=required",
        "rediss://h?ssl_ca_certs=/a/ca.crt&ssl_certfile=/a/c&ssl_keyfile=/a/k",
    ],
)  # fmt: skip
def test_what_is_accepted_is_read_alike_by_redis_and_by_celery(url: str) -> None:
    assert ADDRESS.validate_python(url) == url
    ours = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
    theirs = parse_url(url)
    assert ours["host"] == theirs["hostname"]
    assert ours.get("port") == theirs["port"]
    assert ours.get("username") == theirs["userid"]
    assert ours.get("password") == theirs["password"]
    assert ours.get("db", 0) == int(theirs["virtual_host"] or 0)


@pytest.mark.parametrize("mark", ["/", "#", "?", "[", "]", "%", ";", " ", "\n", "%zz"])
@pytest.mark.parametrize("user", ["", "someone"])
@pytest.mark.parametrize("begin", ["", "12"])
def test_a_mark_in_a_password_is_refused_without_the_password(
    mark: str, user: str, begin: str
) -> None:
    text = refused(f"redis://{user}:{begin}{SECRET[:7]}{mark}{SECRET[7:]}@h:6379/0")
    assert "Percent-encode" in text
    assert "\n" not in text
    for part in (SECRET[:7], SECRET[7:], "someone"):
        assert part not in text


def test_digits_before_a_mark_do_not_pass_for_a_port() -> None:
    for mark in "/#?":
        text = refused(f"redis://someone:12{mark}{SECRET}=1@h:6379/0")
        assert SECRET not in text
        assert "Percent-encode" in text


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis://h/0?db=3", "a database is named as /3"),
        ("redis://h/name", "no number of a database"),
        ("redis://h/1/2", "no number of a database"),
        ("redis://h/-1", "no number of a database"),
        ("redis:///0", "names no host"),
        ("redis://:6379/0", "names no host"),
        ("redis://a,b/0", "names no host"),
        ("redis://redis..example/0", "no name that can be looked up"),
        ("redis://.../0", "no name that can be looked up"),
        (f"redis://{'h' * 64}.example/0", "no name that can be looked up"),
        ("redis://h:99999/0", "host and port cannot be read"),
        ("redis://h:port/0", "host and port cannot be read"),
        ("redis://[::1/0", "host and port cannot be read"),
        ("redis://h:0/0", "port 0"),
        ("http://h/0", "does not begin with redis:// or rediss://"),
        ("REDIS://h/0", "does not begin with redis:// or rediss://"),
        ("h:6379", "does not begin with redis:// or rediss://"),
        ("", "does not begin with redis:// or rediss://"),
        ("unix:///run/redis.sock", "does not begin with redis:// or rediss://"),
        ("redis+socket:///run/redis.sock", "does not begin with redis:// or rediss://"),
        ("sentinel://h:26379", "does not begin with redis:// or rediss://"),
        ("redis://h/0?ssl_cert_reqs=required", "redis:// takes no options"),
        ("rediss://h/0?db=3", "a database is named as /3"),
        ("rediss://h/0?timeout=3", "it may have ssl_cert_reqs"),
        ("rediss://h/0?ssl_cert_reqs=none", "certificates are always checked"),
        ("rediss://h/0?ssl_cert_reqs=required&ssl_cert_reqs=required", "each once"),
        ("rediss://h/0?ssl_keyfile=/etc/hosts", "ssl_keyfile needs ssl_certfile"),
    ],
)
def test_the_fault_of_an_address_is_named(url: str, fault: str) -> None:
    text = refused(url)
    assert fault in text
    assert text.startswith("FAIRWIND_REDIS_URL is not a Redis address (")
    assert text.endswith("Write it as redis://user:password@host:6379/0.")


def test_settings_refuse_an_address_from_the_environment_and_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = f"redis://:{SECRET}/x@h/0"
    monkeypatch.setenv("FAIRWIND_REDIS_URL", bad)
    settings.load.cache_clear()
    with pytest.raises(SettingError) as caught:
        settings.load()
    assert SECRET not in str(caught.value)
    monkeypatch.delenv("FAIRWIND_REDIS_URL")
    file = tmp_path / "fairwind.toml"
    file.write_text(f'redis_url = "{bad}"')
    monkeypatch.setenv("FAIRWIND_CONFIG", str(file))
    with pytest.raises(SettingError) as caught:
        settings.load()
    assert not re.search(SECRET, str(caught.value))
