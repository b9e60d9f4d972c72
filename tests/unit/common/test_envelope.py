"""A message is believed only as its issuer signed it, for whom, for what and for as long."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.envelope import (
    COORDINATOR,
    MAX_PAYLOAD_CHARS,
    About,
    Opened,
    Signer,
    open_envelope,
)
from common.identity import Identity
from common.message import Message
from common.messages import Reason

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LYON, OSLO = (Signer(f"client.{name}", Identity.make()) for name in ("lyon", "oslo"))
KEYS = {each.name: each.identity.public.text for each in (LYON, OSLO)}
WORK = About(run="r", round=3, attempt=1, plan_hash="a" * 64, model_hash="b" * 64)


class Note(Message):
    text: str


def sealed(signer: Signer = LYON, *, task: str = "accept", to: str = COORDINATOR) -> dict[str, Any]:
    envelope = signer.seal(task, to, Note(text="é"), about=WORK, now=NOON)
    body: dict[str, Any] = json.loads(envelope.model_dump_json())  # as it travels
    return body


def opened(body: object, *, task: str = "accept", now: datetime | None = NOON) -> Opened | Reason:
    return open_envelope(body, task=task, audience=COORDINATOR, key_of=KEYS.get, now=now)


def code(body: object, **more: Any) -> str:
    found = opened(body, **more)
    return found.code if isinstance(found, Reason) else "believed"


def test_what_was_sealed_is_believed_with_all_that_it_is_about():
    found = opened(sealed())
    assert isinstance(found, Opened)
    assert found.payload == {"text": "é"}
    header = found.header
    assert (header.issuer, header.run, header.round, header.attempt) == ("client.lyon", "r", 3, 1)
    assert (header.plan_hash, header.model_hash) == ("a" * 64, "b" * 64)
    assert header.payload_nbytes == len('{"text":"é"}'.encode()) == 13


def test_no_two_messages_have_one_nonce():
    assert len({sealed()["header"]["nonce"] for _ in range(100)}) == 100


def test_one_site_cannot_sign_for_another():
    body = sealed(Signer("client.oslo", LYON.identity))
    assert opened(body) == Reason(code="wrong_signature", text="it is not signed by 'client.oslo'")


def test_nobody_is_believed_whose_key_is_not_known():
    assert code(sealed(Signer("client.rome", Identity.make()))) == "unknown_issuer"
    assert code(sealed(Signer(COORDINATOR, LYON.identity))) == "unknown_issuer"


def test_a_message_is_for_one_task_and_one_audience():
    assert code(sealed(task="join")) == "other_task"
    assert code(sealed(to="client.oslo")) == "other_audience"


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (timedelta(days=8), "believed"),  # seven days, and a day for clocks that differ
        (timedelta(days=8, seconds=1), "expired"),
        (timedelta(days=-1), "believed"),
        (timedelta(days=-1, seconds=-1), "not_yet_valid"),
    ],
)
def test_a_message_is_believed_for_a_week(later, expected):
    assert code(sealed(), now=NOON + later) == expected


def test_no_issuer_makes_its_message_valid_for_longer(monkeypatch):
    monkeypatch.setattr("common.envelope.LIFETIME", timedelta(days=30))
    body = sealed()
    monkeypatch.undo()
    assert code(body) == "not_yet_valid"


CHANGES: dict[str, Any] = {
    "task": "join", "run": "other", "round": 4, "attempt": 2, "audience": "client.oslo",
    "issuer": "client.oslo", "issued_at": "2026-11-29T11:00:00Z",
    "not_after": "2027-11-29T11:00:00Z", "nonce": "A" * 22, "plan_hash": "c" * 64,
    "model_hash": "c" * 64, "payload_sha256": "c" * 64, "payload_nbytes": 14,
}  # fmt: skip


def test_every_part_of_a_header_is_signed():
    body = sealed()
    assert set(CHANGES) == set(body["header"])
    for name, changed in CHANGES.items():
        altered = {**body, "header": {**body["header"], name: changed}}
        assert code(altered) == "wrong_signature", name


@pytest.mark.parametrize("payload", ["", "{}", '{"text": "é"}', '{"text":"\ud800"}'])
def test_another_payload_is_refused_before_it_is_parsed(payload):
    assert code({**sealed(), "payload": payload}) in {"other_payload", "malformed"}


def test_sizes_are_bounded_before_anything_is_verified():
    assert code({**sealed(), "payload": "x" * (MAX_PAYLOAD_CHARS + 1)}) == "malformed"


@pytest.mark.parametrize("body", [None, 1, "x", [], {}, {"run": "r"}, {"header": {}}])
def test_what_nobody_meant_to_sign_is_called_unsigned(body):
    assert code(body) == "unsigned"


@pytest.mark.parametrize(
    "change",
    [
        {"header": None},
        {"signature": 1},
        {"signature": "A" * 85},
        {"more": 1},
        {"header": {}},
    ],
)
def test_what_is_no_envelope_is_called_malformed(change):
    assert code({**sealed(), **change}) == "malformed"


def test_deep_json_of_an_issuer_is_refused():
    class Deep(Message):
        def model_dump_json(self, **_: Any) -> str:
            return "[" * 100_000

    body = LYON.seal("accept", COORDINATOR, Deep(), about=WORK, now=NOON).model_dump(mode="json")
    assert code(body) == "malformed"


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(junk)
def test_nothing_that_arrives_raises(body):
    assert isinstance(opened(body), Reason)


@given(st.sampled_from(sorted(CHANGES)), junk)
def test_no_header_raises(name, value):
    body = sealed()
    found = opened({**body, "header": {**body["header"], name: value}})
    assert isinstance(found, Reason) or value == body["header"][name]
