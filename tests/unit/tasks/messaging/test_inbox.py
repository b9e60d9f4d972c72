"""What a process takes, what it refuses, and what it says of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.identity import Identity, load_or_make
from common.message import Message
from common.settings import Settings
from tasks.messaging.inbox import (
    Inbox,
    Taken,
    coordinator_inbox,
    coordinator_signer,
    site_inbox,
    site_signer,
)
from tasks.messaging.refusals import Refusals
from tasks.roles import coordinator_key_file

LYON = Signer("client.lyon", Identity.make())


class Note(Message):
    text: str = "hello"


def sealed(signer: Signer = LYON, to: str = COORDINATOR) -> dict[str, Any]:
    envelope = signer.seal("accept", to, Note(), about=About(), now=wall_now())
    return envelope.model_dump(mode="json")


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(COORDINATOR, tmp_path, {LYON.name: LYON.identity.public.text}.get)


def test_a_signed_message_is_taken_once(inbox):
    body = sealed()
    taken = inbox.take("accept", body)
    assert isinstance(taken, Taken)
    assert (taken.payload, taken.client) == ({"text": "hello"}, "lyon")
    # Its process may die before it has done anything: then the message is taken again.
    assert inbox.take("accept", body) is not None
    inbox.done(taken)
    with capture_logs() as logs:
        assert inbox.take("accept", body) is None
    (line,) = logs
    assert (line["event"], line["issuer"], line["code"]) == (
        "message.refused", "client.lyon", "replayed",
    )  # fmt: skip


def test_an_unsigned_message_is_refused_and_the_client_it_names_is_shown(inbox):
    assert inbox.take("accept", {"client": "lyon"}) is None
    (refused,) = inbox.refusals.read()
    assert (refused.issuer, refused.code) == ("unknown", "unsigned")
    assert refused.text == "it is not signed; it names the client lyon"


def test_names_that_strangers_make_up_are_not_shown_as_issuers(inbox):
    inbox.take("accept", sealed(Signer("client.made-up", LYON.identity)))
    inbox.take("accept", {"client": "\x1b[2Jlyon"})
    assert {each.issuer for each in inbox.refusals.read()} == {"unknown"}
    assert "\x1b" not in (inbox.refusals.read()[0].text + inbox.refusals.read()[1].text)


def test_a_flood_of_refusals_writes_one_line_a_minute(inbox):
    with capture_logs() as logs:
        for _ in range(1000):
            inbox.take("accept", {})
    assert len(logs) == 1


def test_kinds_of_refusals_are_bounded(tmp_path):
    from common.messages import Reason  # noqa: PLC0415 - for this test alone

    refusals = Refusals(tmp_path / "refused.json")
    for n in range(200):
        refusals.note("accept", f"client.{n}", Reason(code="replayed", text="again"))
    assert len(refusals.read()) <= 51


def test_without_a_key_nothing_is_signed_and_what_is_signed_is_refused(tmp_path):
    settings = Settings(home=tmp_path)
    assert coordinator_signer(settings) is None
    assert site_signer(settings, "lyon") is None
    inbox = coordinator_inbox(settings, dict)
    assert inbox.take("accept", {"any": 1}) == Taken(None, {"any": 1})
    assert inbox.take("accept", sealed()) is None
    assert inbox.refusals.read()[0].code == "no_key"


def test_coordinator_and_site_believe_each_other_alone(tmp_path):
    home, away = Settings(home=tmp_path / "home"), tmp_path / "away"
    key = load_or_make(coordinator_key_file(home.folder)).public.text
    there = Settings(home=away, coordinator_key=key)
    site = site_signer(there, "lyon")
    coordinator = coordinator_signer(home)
    assert site is not None
    assert coordinator is not None
    at_site = site_inbox(there, "lyon")
    assert at_site.take("accept", sealed(coordinator, "client.lyon")) is not None
    assert at_site.take("accept", sealed(site, "client.lyon")) is None
    here = coordinator_inbox(home, lambda: {"lyon": site.identity.public.text})
    assert here.take("accept", sealed(site)) is not None
    assert here.take("accept", sealed(coordinator)) is not None  # its own commands
    assert here.take("accept", sealed(Signer("client.oslo", site.identity))) is None
    assert here.take("accept", sealed(Signer("lyon", site.identity))) is None
