"""Requests are answered under our own names and from our own pages, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tasks.monitor.origin import Refusal, refusal

PROXIES = ("fed.example.org",)


def judged(method: str = "GET", host: str = "127.0.0.1:5555", **headers: str) -> int:
    """Return the status of a refusal, 200 for a request that is answered."""
    given_ = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    found = refusal(method, given_, host, hosts=PROXIES, own=["192.0.2.7"])
    return found.status if isinstance(found, Refusal) else 200


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5555", "localhost", "LOCALHOST:5555", "localhost.", "[::1]:5555", "127.8.8.8",
        "192.0.2.7:5555", "fed.example.org", "Fed.Example.Org:443",
    ],
)  # fmt: skip
def test_our_own_names_are_served(host: str) -> None:
    assert judged(host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:5555", "192.0.2.8",
        "evil.example,127.0.0.1", "127.0.0.1 evil.example", "fed.example.org.evil.example",
        "[::ffff:192.0.2.8]", "0.0.0.0:5555", "2130706433", "evil.example#127.0.0.1",
    ],
)  # fmt: skip
def test_a_name_of_somebody_else_is_not_served(host: str) -> None:
    assert judged(host=host) == 421


@given(st.text(max_size=30))
def test_no_odd_name_fails_the_check(host: str) -> None:
    assert judged(host=host) in {200, 421}
    assert judged(Origin=host) in {200, 403}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "", "http://127.0.0.1:8000", "http://localhost:5555",
        "http://127.0.0.1:5555@evil.example", "file://", "http://127.0.0.1:5555.evil.example",
    ],
)  # fmt: skip
def test_another_origin_is_refused_whatever_it_asks(method: str, origin: str) -> None:
    assert judged(method, Origin=origin) == 403
    assert judged(method, Origin=origin, Sec_Fetch_Site="same-origin") == 403


def test_our_own_pages_are_answered() -> None:
    assert judged("POST", Origin="http://127.0.0.1:5555", Sec_Fetch_Site="same-origin") == 200
    assert judged(Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate") == 200
    assert judged("POST") == 200, "curl, with its password"


def test_a_proxy_may_keep_or_replace_the_host() -> None:
    origin = "https://fed.example.org"
    assert judged("POST", host="fed.example.org", Origin=origin) == 200
    assert judged("POST", host="127.0.0.1:5555", Origin=origin) == 200
    assert judged("POST", host="fed.example.org", Origin="https://other.example.org") == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "sameorigin", "same-origin, none"])
@pytest.mark.parametrize("dest", ["iframe", "image", "script", "empty", "embed", "object"])
def test_another_page_embeds_and_fetches_nothing(site: str, dest: str) -> None:
    assert judged(Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest=dest) == 403
    assert judged(Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest=dest) == 403


def test_a_link_of_another_page_may_be_followed_but_no_form_sent() -> None:
    followed = {
        "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"
    }  # fmt: skip
    assert judged("GET", **followed) == 200
    assert judged("POST", **followed) == 403


def test_a_browser_without_metadata_is_known_by_its_referer() -> None:
    assert judged(Referer="https://evil.example/", Accept="image/*") == 403
    assert judged("POST", Referer="https://evil.example/", Accept="text/html") == 403
    assert judged(Referer="https://evil.example/", Accept="text/html") == 200
    assert judged("POST", Referer="http://127.0.0.1:5555/workers") == 200
