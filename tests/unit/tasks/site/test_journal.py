"""A site's journal keeps what was written, whatever tore its last line, and counts work once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages import Energy, Reason
from tasks.site.entry import Answered, Begun, Entry, Sent
from tasks.site.journal import KEPT_MONTHS, Journal
from tasks.site.site_history import SiteTotals, tasks_of, totals

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def energy(energy_wh: float) -> Energy:
    return Energy(energy_wh=energy_wh, method="cpu-seconds", quality="modelled", pue=1.0)


def begun(at: datetime = NOON, **changes: Any) -> Begun:
    return Begun(**({"at": at, "run": "r", "round": 1, "attempt": 0, "workload": "w"} | changes))


def answered(at: datetime = NOON, **changes: Any) -> Answered:
    """Return the answer to work that began at a time and used 2 Wh at 50 g/kWh: 0.1 g."""
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "attempt": 0, "workload": "w", "outcome": "trained",
        "started_at": at, "ended_at": at + SECOND, "energy": energy(2.0),
        "intensity_gco2eq_per_kwh": 50.0, "update_nbytes": 100, "reason": None,
    }  # fmt: skip
    return Answered(**(fields | changes))


def sent(at: datetime = NOON, **changes: Any) -> Sent:
    fields = {"at": at, "run": "r", "round": 1, "nbytes": 100, "sha256": "0" * 64}
    return Sent(**(fields | changes))


def declined(code: str, at: datetime = NOON, **changes: Any) -> Answered:
    nothing = {"outcome": "declined", "energy": None, "update_nbytes": None}
    return answered(at, **(nothing | {"reason": Reason(code=code, text=code)} | changes))


WHOLE: list[Entry] = [begun(), answered(), sent()]


def written(folder, *entries: Entry, at: datetime = NOON) -> Journal:
    journal = Journal(folder)
    for entry in entries:
        journal.append(entry, at=at, synced=False)
    return journal


def test_what_was_written_is_read(tmp_path):
    written(tmp_path / "site", *WHOLE)
    assert Journal(tmp_path / "site").read(since=NOON) == WHOLE


def test_a_site_that_did_nothing_has_an_empty_journal(tmp_path):
    assert Journal(tmp_path / "site").read(since=NOON) == []


@given(length=st.integers(min_value=0))
def test_a_last_line_torn_anywhere_hides_no_other_line(length, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    written(folder, *WHOLE)
    path = folder / "2026-07.jsonl"
    *before, last = path.read_bytes().splitlines(keepends=True)
    kept = last[: length % len(last)]
    path.write_bytes(b"".join(before) + kept)
    survivors = WHOLE if kept == last[:-1] else WHOLE[:-1]  # only the end of the line is missing
    assert Journal(folder).read(since=NOON) == survivors
    written(folder, sent(nbytes=7))
    assert Journal(folder).read(since=NOON) == [*survivors, sent(nbytes=7)]


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[]", b'{"kind": "sold"}', b""])
def test_a_line_that_is_no_entry_is_skipped(line, tmp_path):
    journal = written(tmp_path, *WHOLE)
    with (tmp_path / "2026-07.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert journal.read(since=NOON) == WHOLE


def test_months_lie_in_files_of_their_own_and_the_oldest_go(tmp_path):
    months = [datetime(2024 + n // 12, 1 + n % 12, 15, tzinfo=UTC) for n in range(30)]
    for month in months:
        written(tmp_path, begun(month), at=month)
    (tmp_path / "notes.txt").touch()
    names = [f"{month:%Y-%m}.jsonl" for month in months[-KEPT_MONTHS:]]
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == names
    assert Journal(tmp_path).read(since=months[-2]) == [begun(month) for month in months[-2:]]
    assert (tmp_path / "notes.txt").exists()


# --- what it adds up to -----------------------------------------------------------------------


def test_a_task_has_its_energy_its_grams_and_its_bytes():
    (task,) = tasks_of(WHOLE)
    assert (task.outcome, task.energy_wh, task.sent_nbytes) == ("trained", 2.0, 100)
    assert task.gco2eq == pytest.approx(0.1)


def test_an_answer_that_is_written_twice_counts_once():
    once = SiteTotals(energy_wh=2.0, gco2eq=0.1, trained=1, sent_nbytes=200)
    assert totals([*WHOLE, answered(), sent()], since=NOON) == once


def test_an_assignment_that_was_trained_twice_counts_once_and_its_energy_twice():
    again = NOON + SECOND
    entries = [*WHOLE, begun(again, attempt=1), answered(again, attempt=1), sent(again)]
    twice = SiteTotals(energy_wh=4.0, gco2eq=0.2, trained=1, sent_nbytes=200)
    assert totals(entries, since=NOON) == twice


def test_work_without_an_answer_is_unfinished():
    entries: list[Entry] = [begun(), *WHOLE[1:], begun(NOON + SECOND, round=2)]
    assert [task.outcome for task in tasks_of(entries)] == ["trained", "unfinished"]
    assert totals(entries, since=NOON).unfinished == 1


def test_an_answer_from_the_outbox_after_a_restart_finishes_its_work():
    assert [task.outcome for task in tasks_of([begun(), answered(), sent()])] == ["trained"]


def test_what_is_not_known_is_never_zero():
    entries = [answered(energy=None), answered(NOON + SECOND, intensity_gco2eq_per_kwh=None)]
    assert [task.gco2eq for task in tasks_of(entries)] == [None, None]
    seen = totals(entries, since=NOON)
    assert (seen.unknown_energy, seen.energy_wh) == (1, 2.0)
    assert (seen.gco2eq, seen.unknown_intensity_wh) == (0.0, 2.0)


def test_declines_are_counted_by_their_reasons_each_once():
    entries: list[Entry] = [
        declined("paused"),
        declined("paused", NOON + SECOND),  # the same assignment, delivered twice
        declined("paused", NOON + 2 * SECOND, attempt=1),
        declined("outside_site_windows", NOON + 3 * SECOND, round=2),
    ]
    seen = totals(entries, since=NOON)
    assert seen.declined == 3
    assert seen.reasons == {"paused": 2, "outside_site_windows": 1}
    assert (seen.energy_wh, seen.unknown_energy) == (0.0, 0)


def test_only_what_ended_since_counts():
    before: list[Entry] = [begun(NOON - DAY), answered(NOON - DAY), sent(NOON - DAY)]
    late = answered(NOON - SECOND, round=2)  # began before, ended at noon
    seen = totals([*before, late], since=NOON)
    assert (seen.trained, seen.energy_wh, seen.sent_nbytes) == (1, 2.0, 0)
