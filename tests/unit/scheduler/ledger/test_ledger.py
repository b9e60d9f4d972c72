"""The ledger keeps what happened, whole and in order, and finds whoever alters it."""

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import GridClock
from common.errors import LedgerError
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.federation.snapshot import dump
from scheduler.ledger.event import GENESIS, Draft, canonical, stamp
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientRetired,
    RoundEvaluated,
    RunStarted,
    RunStopRequested,
    RunWaiting,
)
from tests.unit.scheduler.story import Story, history, sha, spec, steps

REPOSITORY = Path(__file__).parents[4]
CLOCK = GridClock()
EARLIEST = datetime(1990, 1, 1)  # noqa: DTZ001 - hypothesis adds the time zone


def enrolled(name: str, zone: str = "FR") -> Draft:
    return Draft(ClientEnrolled(zone=zone, num_examples=None), client=name)


def retold(story: Story) -> list[Draft]:
    return [Draft(e.payload, e.run, e.round, e.client) for e in story.events]


def append(ledger: FederationLedger, *drafts: Draft) -> None:
    with ledger.transaction() as tx:
        tx.append(*drafts)


def altered(path: Path, *statements: str) -> None:
    """Change the database as someone would who owns the file."""
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER no_update; DROP TRIGGER no_delete;")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_what_is_appended_is_read_back(ledger, url):
    append(ledger, enrolled("a"), enrolled("b", "DE"))
    again = open_ledger(url, CLOCK)
    first, second = again.events()
    assert (first.seq, first.kind, first.client) == (1, "client.enrolled", "a")
    assert second.payload == ClientEnrolled(zone="DE")
    assert (first.prev_hash, second.prev_hash) == (GENESIS, first.hash)
    assert first.at.tzinfo is not None
    assert [event.seq for event in again.events(after=1)] == [2]
    assert again.latest_seq() == 2
    assert set(again.state().clients) == {"a", "b"}
    again.close()


def test_an_empty_ledger_is_whole(ledger):
    assert ledger.latest_seq() == 0
    assert list(ledger.events()) == []
    assert ledger.verify().broken_at is None
    assert ledger.state() == Federation()


def test_events_of_one_run_can_be_read_alone(ledger):
    started = [Draft(RunStarted(spec=spec(id=name)), run=name) for name in ("r", "s")]
    append(ledger, *started, Draft(RunStopRequested(), run="r"))
    assert [event.kind for event in ledger.events(run="r")] == ["run.started", "run.stop_requested"]


def test_times_are_kept_to_the_microsecond_on_both_clocks(url):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = GridClock(wall_start=start, grid_start=start - timedelta(days=1), speed=60.0)
    ledger = open_ledger(url, clock)
    with ledger.transaction() as tx:
        tx.append(enrolled("a"))
        at, grid_at = tx.at, tx.grid_at
    (event,) = ledger.events()
    assert (event.at, event.grid_at) == (at, grid_at)
    assert grid_at == clock.at(at)
    ledger.close()


def test_the_writer_sees_what_every_later_reader_will_see(url):
    # A clock of another time zone, a schedule in UTC, and an instant of another time zone.
    east = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    ledger = open_ledger(url, GridClock(wall_start=east, grid_start=east))
    asked = spec(cron="0 22 * * *")
    append(
        ledger,
        Draft(RunStarted(spec=asked), run="r"),
        Draft(RunWaiting(reason="too_few", best_at=east), run="r"),
    )
    again = open_ledger(url, CLOCK)
    assert again.state() == ledger.state()
    assert dump(again.state()) == dump(ledger.state())
    due = ledger.state().runs["r"].due_at
    assert due is not None
    assert due.astimezone(UTC).hour == 22
    ledger.close()
    again.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = '{}' WHERE seq = 1",
        "UPDATE events SET hash = hash",
        "DELETE FROM events WHERE seq = 1",
        "DELETE FROM events",
    ],
)
def test_the_database_refuses_to_change_or_delete_events(ledger, path, statement):
    append(ledger, enrolled("a"))
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


ALTERATIONS = {
    "at": "'2020-01-01T00:00:00.000000+00:00'",
    "grid_at": "'2020-01-01T00:00:00.000000+00:00'",
    "kind": "'client.retired'",
    "run": "'other'",
    "round": "round + 1",
    "client": "'mallory'",
    "body": '\'{"num_examples":9,"zone":"FR"}\'',
    "prev_hash": "hash",
    "hash": "prev_hash",
    "seq": "seq + 100",
}


@pytest.mark.parametrize("column", ALTERATIONS)
@pytest.mark.parametrize("seq", [1, 2, 3])
def test_any_altered_column_is_found(ledger, path, column, seq, url):
    append(ledger, enrolled("a"), enrolled("b"), enrolled("c"))
    altered(path, f"UPDATE events SET {column} = {ALTERATIONS[column]} WHERE seq = {seq}")  # noqa: S608 - all of it is ours
    again = open_ledger(url, CLOCK)
    found = again.verify()
    # A number changed for a higher one moves the event behind the others.
    assert found.broken_at == seq
    again.close()


def test_the_alterations_are_of_every_column(ledger, path):
    connection = sqlite3.connect(path)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(events)")}
    connection.close()
    assert columns == set(ALTERATIONS)


@pytest.mark.parametrize("seq", [1, 2])
def test_a_deleted_event_is_found(ledger, path, seq, url):
    append(ledger, enrolled("a"), enrolled("b"), enrolled("c"))
    altered(path, f"DELETE FROM events WHERE seq = {seq}")  # noqa: S608 - all of it is ours
    again = open_ledger(url, CLOCK)
    assert again.verify().broken_at == seq
    again.close()


def test_exchanged_events_are_found(ledger, path, url):
    append(ledger, enrolled("a"), enrolled("b"))
    altered(
        path,
        "UPDATE events SET seq = 3 WHERE seq = 1",
        "UPDATE events SET seq = 1 WHERE seq = 2",
        "UPDATE events SET seq = 2 WHERE seq = 3",
    )
    again = open_ledger(url, CLOCK)
    assert again.verify().broken_at == 1
    again.close()


def test_the_head_names_the_whole_history(ledger):
    append(ledger, enrolled("a"))
    first = ledger.verify()
    append(ledger, enrolled("b"))
    second = ledger.verify()
    assert first.head != second.head == ledger.state().head


def test_an_event_of_an_unknown_kind_is_refused_and_named(ledger, path, url):
    append(ledger, enrolled("a"), enrolled("b"))
    altered(path, "UPDATE events SET kind = 'client.promoted' WHERE seq = 2")
    again = open_ledger(url, CLOCK)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"Event 2 .*'client\.promoted'.*ledger verify"):
            again.state()
    again.close()


def test_an_event_that_contradicts_those_before_is_named(ledger, path, url):
    append(ledger, enrolled("a"), Draft(ClientRetired(), client="a"))
    altered(path, "UPDATE events SET client = 'nobody' WHERE seq = 2")
    again = open_ledger(url, CLOCK)
    with pytest.raises(LedgerError, match=r"Event 2 .*client\.retired.*contradicts.*ledger verify"):
        again.state()
    again.close()


def test_an_event_nobody_can_understand_is_named(ledger, path, url):
    append(ledger, enrolled("a"), enrolled("b"))
    altered(path, "UPDATE events SET body = '{}' WHERE seq = 2")
    again = open_ledger(url, CLOCK)
    for _ in range(2):  # and not passed over the second time
        with pytest.raises(LedgerError, match=r"Event 2 .*client\.enrolled.*ledger verify"):
            again.state()
    again.close()


def test_threads_appending_at_once_keep_the_chain_whole(ledger):
    def work(thread: int) -> None:
        for i in range(20):
            append(ledger, enrolled(f"t{thread}-{i}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.verify().events == 80
    assert ledger.verify().broken_at is None
    assert len(ledger.state().clients) == 80


APPENDING = """
import sys
from common.clock import GridClock
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled

ledger = open_ledger(sys.argv[1], GridClock())
print("ready", flush=True)
sys.stdin.readline()
for i in range(25):
    with ledger.transaction() as tx:
        assert i == sum(name.startswith(sys.argv[2]) for name in tx.state.clients)
        tx.append(Draft(ClientEnrolled(zone="FR"), client=f"{sys.argv[2]}{i}"))
"""


def test_processes_appending_at_once_keep_the_chain_whole(ledger, url):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDING, url, name],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in "pq"
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.communicate("go\n")
    assert [process.returncode for process in started] == [0, 0]
    assert ledger.verify().events == 50
    assert ledger.verify().broken_at is None
    order = [event.client[0] for event in ledger.events()]
    assert order.count("p") == order.count("q") == 25
    assert len(ledger.state().clients) == 50


def test_equal_bodies_have_the_same_text():
    one = RoundEvaluated(metrics={"b": 1.0, "a": 1.5})
    kept = (
        '{"by":"coordinator","evaluate_s":0.0,"examples":0,"metrics":{"a":1.5,"b":1.0},'
        '"partly":{},"sites":0}'
    )
    assert canonical(one) == kept
    assert canonical(one) == canonical(RoundEvaluated(metrics={"a": 1.5, "b": 1.0}))


@given(
    a=st.datetimes(timezones=st.timezones(), min_value=EARLIEST),
    b=st.datetimes(timezones=st.timezones(), min_value=EARLIEST),
)
def test_the_order_of_stamps_is_the_order_of_times(a, b):
    assert (stamp(a) < stamp(b)) == (a.astimezone(UTC) < b.astimezone(UTC))
    assert datetime.fromisoformat(stamp(a)) == a.astimezone(UTC)


@settings(max_examples=40)
@given(steps=steps, sizes=st.lists(st.integers(1, 6), min_size=1))
def test_replaying_the_ledger_gives_the_state(tmp_path_factory, steps, sizes):
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    writer, follower = open_ledger(url, CLOCK), open_ledger(url, CLOCK)
    drafts = retold(history(steps))
    position = turn = 0
    while position < len(drafts):
        size = sizes[turn % len(sizes)]
        append(writer, *drafts[position : position + size])
        position, turn = position + size, turn + 1
        if turn % 3 == 0:
            assert follower.state() == writer.state()
    newcomer = open_ledger(url, CLOCK)
    assert newcomer.state() == follower.state() == writer.state()
    # To the letter: whichever process writes the snapshot, it is the same.
    assert dump(newcomer.state()) == dump(follower.state()) == dump(writer.state())
    folded = Federation()
    for event in newcomer.events():
        apply(folded, event)
    assert folded == writer.state()
    assert newcomer.verify().broken_at is None
    for opened in (writer, follower, newcomer):
        opened.close()


def test_the_state_of_a_history_worked_out_by_hand(ledger):
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.close()
    append(ledger, *retold(story))
    run = ledger.state().runs["r"]
    assert run.version == sha("v1")
    assert run.closed[0].energy_wh == 4.0
    assert run.counted_gco2eq == pytest.approx(0.2)
    assert {name: c.updates for name, c in ledger.state().clients.items()} == {"a": 1, "b": 1}
