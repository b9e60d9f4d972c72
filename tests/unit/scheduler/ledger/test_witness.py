"""Heads that others keep show what a chain of hashes alone does not."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import LedgerError
from common.identity import Identity, canonical_json
from common.ledger_head import LedgerHead, append_head, read_heads
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.event import Draft, chain_hash
from scheduler.ledger.events import ClientEnrolled
from scheduler.ledger.witness import Disagreement, check_signatures, first_disagreement, wanted_seqs

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def head_of(ledger: FederationLedger, seq: int) -> LedgerHead:
    first, digest = ledger.hash_of(1), ledger.hash_of(seq)
    assert first
    assert digest
    return LedgerHead(ledger=first, seq=seq, hash=digest, at=AT)


def signed(head: LedgerHead, identity: Identity) -> LedgerHead:
    signature = identity.sign(canonical_json(head.signed_text()))
    return head.model_copy(update={"key": identity.public.text, "signature": signature})


def enrol(ledger: FederationLedger, *names: str) -> None:
    with ledger.transaction() as tx:
        for name in names:
            tx.append(Draft(ClientEnrolled(zone="FR"), client=name))


def disagreement(ledger: FederationLedger, heads: Sequence[LedgerHead]) -> Disagreement | None:
    return first_disagreement(ledger.verify(wanted_seqs(heads)), heads)


def rewrite(path: Path, seq: int, old: str, new: str) -> None:
    """Alter an event as somebody does who may write the file: every hash after it fits again."""
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER IF EXISTS no_update")
        database.execute("UPDATE events SET body = replace(body, ?, ?) WHERE seq = ?",
                         (old, new, seq))  # fmt: skip
        head = "0" * 64
        columns = "SELECT seq, at, grid_at, kind, run, round, client, body"
        for row in database.execute(columns + " FROM events ORDER BY seq").fetchall():
            digest = chain_hash(head, *row)
            database.execute("UPDATE events SET prev_hash = ?, hash = ? WHERE seq = ?",
                             (head, digest, row[0]))  # fmt: skip
            head = digest
    database.close()


def cut(path: Path, after: int) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER IF EXISTS no_delete")
        database.execute("DELETE FROM events WHERE seq > ?", (after,))
    database.close()


def test_a_ledger_agrees_with_its_own_heads(ledger):
    enrol(ledger, "a", "b", "c")
    assert disagreement(ledger, [head_of(ledger, seq) for seq in (1, 2, 3)]) is None


def test_an_event_that_was_rewritten_with_all_hashes_after_it_is_found(ledger, path):
    enrol(ledger, "a", "b", "c", "d", "e")
    heads = [head_of(ledger, seq) for seq in (2, 4, 5)]
    ledger.close()
    rewrite(path, 3, "FR", "PL")
    assert ledger.verify().broken_at is None, "the chain alone shows nothing"
    found = disagreement(ledger, heads)
    assert found is not None
    assert (found.first, found.last) == (3, 4)
    assert str(found).startswith("Events 3 to 4: altered after they were signed (the head of")


def test_an_end_that_was_cut_off_is_found(ledger, path):
    enrol(ledger, "a", "b", "c", "d")
    heads = [head_of(ledger, seq) for seq in (1, 4)]
    ledger.close()
    cut(path, 2)
    assert ledger.verify().broken_at is None, "the chain alone shows nothing"
    assert str(disagreement(ledger, heads)).startswith("Events 3 to 4: missing")


def test_another_ledger_in_place_of_the_one_that_was_signed_is_found(ledger, path):
    enrol(ledger, "a", "b")
    heads = [head_of(ledger, 2)]
    ledger.close()
    rewrite(path, 1, "FR", "PL")
    assert str(disagreement(ledger, heads)).startswith("Event 1: altered, or of another ledger")


def test_a_broken_chain_is_the_first_fault_before_heads_behind_it(ledger, path):
    enrol(ledger, "a", "b", "c")
    heads = [head_of(ledger, 3)]
    ledger.close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER IF EXISTS no_update")
        database.execute("UPDATE events SET client = 'x' WHERE seq = 2")
    database.close()
    assert ledger.verify(wanted_seqs(heads)).broken_at == 2
    assert disagreement(ledger, heads) is None


def test_a_head_that_somebody_made_up_accuses_no_ledger(ledger):
    enrol(ledger, "a", "b")
    coordinator, stranger = Identity.make(), Identity.make()
    keys, true = [coordinator.public.text], signed(head_of(ledger, 2), coordinator)
    check_signatures([true], keys, where="FILE")
    forged = [
        head_of(ledger, 2),
        signed(head_of(ledger, 2), stranger),
        true.model_copy(update={"hash": "f" * 64}),
        true.model_copy(update={"seq": 9}),
        true.model_copy(update={"signature": "A" * 86}),
        true.model_copy(update={"key": "ed25519:nonsense"}),
    ]
    for head in forged:
        with pytest.raises(LedgerError, match=r"Head 2 of FILE .*proves nothing"):
            check_signatures([true, head], keys, where="FILE")


def test_a_file_of_heads_survives_a_process_that_was_killed_while_writing(ledger, tmp_path):
    enrol(ledger, "a", "b", "c")
    path, heads = tmp_path / "site" / "heads", [head_of(ledger, seq) for seq in (1, 2, 3)]
    assert append_head(path, heads[0]) is None
    assert append_head(path, heads[0]) == heads[0]
    with path.open("ab") as file:
        file.write(heads[1].model_dump_json().encode()[:100])
    assert append_head(path, heads[2]) == heads[0]
    assert read_heads(path) == [heads[0], heads[2]]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_of_heads_is_refused_with_its_line(tmp_path):
    (tmp_path / "file").write_text('{"seq": 1}\n')
    with pytest.raises(LedgerError, match=r"Line 1 of .* is no head"):
        read_heads(tmp_path / "file")
    with pytest.raises(LedgerError, match="cannot be read"):
        read_heads(tmp_path / "absent")
