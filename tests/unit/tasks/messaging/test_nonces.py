"""A message is taken once, also by another process and after a restart; memory is bounded."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from common.envelope import CLOCK_TOLERANCE, LIFETIME, About, Header, Signer
from common.identity import Identity
from common.message import Message
from tasks.messaging.nonces import Nonces

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
IDENTITY = Identity.make()


def header(*, at: datetime = NOON, issuer: str = "client.a") -> Header:
    signer = Signer(issuer, IDENTITY)
    return signer.seal("accept", "coordinator", Message(), about=About(), now=at).header


def rows(path: Path) -> int:
    with sqlite3.connect(path) as database:
        found: int = database.execute("SELECT count(*) FROM taken").fetchone()[0]
    return found


def test_a_message_is_taken_once(tmp_path):
    nonces, one = Nonces(tmp_path / "n"), header()
    assert not nonces.taken(one)
    nonces.take(one, NOON)
    nonces.take(one, NOON)
    assert nonces.taken(one)
    assert not nonces.taken(header())
    nonces.close()
    assert Nonces(tmp_path / "n").taken(one)


def test_nonces_belong_to_their_issuers(tmp_path):
    nonces, one = Nonces(tmp_path / "n"), header()
    nonces.take(one, NOON)
    assert not nonces.taken(one.model_copy(update={"issuer": "client.b"}))


def test_only_this_user_reads_the_file(tmp_path):
    Nonces(tmp_path / "n").taken(header())
    assert (tmp_path / "n").stat().st_mode & 0o777 == 0o600


def test_a_nonce_is_forgotten_only_when_its_message_is_refused_as_expired(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.messaging.nonces._SWEEP_EVERY", 1)
    nonces, one = Nonces(tmp_path / "n"), header()
    nonces.take(one, NOON)
    refused_from = NOON + LIFETIME + CLOCK_TOLERANCE
    nonces.take(header(at=refused_from), refused_from)
    assert nonces.taken(one)
    later = refused_from + CLOCK_TOLERANCE + timedelta(seconds=1)
    nonces.take(header(at=later), later)
    assert rows(tmp_path / "n") == 2


def test_of_one_issuer_the_newest_are_kept_and_older_messages_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.messaging.nonces._SWEEP_EVERY", 1)
    nonces = Nonces(tmp_path / "n", most=3)
    sent = [header(at=NOON + timedelta(seconds=n)) for n in range(5)]
    for each in sent:
        nonces.take(each, NOON)
    nonces.take(header(issuer="client.b"), NOON)
    assert rows(tmp_path / "n") == 4
    assert all(nonces.taken(each) for each in sent)
    assert nonces.taken(header(at=NOON))  # issued before what is remembered
    assert not nonces.taken(header(at=NOON + timedelta(seconds=3)))
    assert not nonces.taken(header(issuer="client.b"))


def test_a_file_that_cannot_be_used_is_logged_and_ends_nothing(tmp_path):
    (tmp_path / "n").write_bytes(b"no database" * 100)
    nonces = Nonces(tmp_path / "n")
    with capture_logs() as logs:
        assert not nonces.taken(header())
        nonces.take(header(), NOON)
    assert [line["event"] for line in logs] == ["nonces.not_kept"] * 2
