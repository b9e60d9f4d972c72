"""Whatever is done to an audit trail once it was written is found, by the record's name."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from common import settings
from common.clock import wall_now
from common.envelope import Signer
from common.errors import AuditError
from common.failpoints import VARIABLE
from common.identity import Identity
from common.trail_head import TrailHead
from tasks.cli import fairwind
from tasks.roles import site_key_file
from tasks.site.audit import Audit, audit, check_head_signatures
from tasks.site.entry import Decided, Refused, Sent
from tasks.site.journal import KEPT_MONTHS, Journal
from tasks.site.trail_heads import TrailHeads, kept_heads

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
JULY = "2026-07.jsonl"


def sent(number: int) -> Sent:
    return Sent(at=NOON, run="r", round=number, nbytes=number, sha256="a" * 64)


def trail(folder: Path, *, records: int = 5, at: datetime = NOON) -> Journal:
    journal = Journal(folder)
    for number in range(1, records + 1):
        journal.append(sent(number), at=at, synced=False)
    return journal


def found(folder: Path, heads: list[TrailHead] | None = None) -> Audit:
    return audit(Journal(folder).lines(), heads or [])


def rewritten(folder: Path, lines: list[bytes], *, name: str = JULY) -> str:
    """Put other lines into the trail, and return what the audit says is wrong."""
    (folder / name).write_bytes(b"".join(lines))
    fault = found(folder).fault
    assert fault is not None
    return fault


def lines_of(folder: Path, name: str = JULY) -> list[bytes]:
    return (folder / name).read_bytes().splitlines(keepends=True)


def test_a_trail_that_nobody_touched_is_whole(tmp_path):
    trail(tmp_path)
    seen = found(tmp_path)
    assert (seen.fault, seen.first, seen.last and seen.last.seq) == (None, 1, 5)
    assert found(tmp_path / "none") == Audit()


def test_any_tool_can_check_a_line(tmp_path):
    trail(tmp_path, records=2)
    first, second = (line.rstrip(b"\n") for line in lines_of(tmp_path))
    text, _, digest = first.rpartition(b',"hash":"')
    assert digest == hashlib.sha256(text).hexdigest().encode() + b'"}'
    assert json.loads(second)["previous"] == json.loads(first)["hash"]


@given(place=st.integers(min_value=0), value=st.integers(min_value=1, max_value=255))
def test_an_altered_byte_is_found_wherever_it_is(place, value, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trail")
    trail(folder)
    path = folder / JULY
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= value
    path.write_bytes(data)
    assert found(folder).fault is not None


@given(data=st.data())
def test_lines_that_are_removed_repeated_or_reordered_are_found(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trail")
    trail(folder)
    lines = lines_of(folder)
    place = data.draw(st.integers(0, len(lines) - 2))
    what = data.draw(st.sampled_from(["removed", "repeated", "swapped"]))
    other = data.draw(st.integers(0, len(lines)))
    match what:
        case "removed":
            changed = [*lines[:place], *lines[place + 1 :]]
        case "repeated":
            changed = [*lines[:other], lines[place], *lines[other:]]
        case _:
            changed = list(lines)
            changed[place], changed[place + 1] = changed[place + 1], changed[place]
    assert "ecord" in rewritten(folder, changed)


def test_what_is_wrong_is_named(tmp_path):
    trail(tmp_path)
    first, second, third, *rest = lines_of(tmp_path)
    altered = second.replace(b'"nbytes":2', b'"nbytes":1')
    assert rewritten(tmp_path, [first, altered, third, *rest]) == (
        "Record 2 (line 2 of 2026-07.jsonl) was altered"
    )
    assert rewritten(tmp_path, [first, third, *rest]) == (
        "Record 2 is missing before line 2 of 2026-07.jsonl"
    )
    assert rewritten(tmp_path, [first, *rest]) == (
        "Records 2 to 3 are missing before line 2 of 2026-07.jsonl"
    )
    assert rewritten(tmp_path, [second, third, *rest]) == (
        "Records 1 to 1 are missing: the beginning was cut off"
    )
    assert rewritten(tmp_path, [first, first, second, third, *rest]) == (
        "Record 1 (line 2 of 2026-07.jsonl) is not in its place: it follows 1"
    )
    assert rewritten(tmp_path, [first, second, b"hello\n", third, *rest]) == (
        "Line 3 of 2026-07.jsonl after record 2 is no record: it was altered or put there"
    )


# --- what the chain alone cannot show ---------------------------------------------------------


@pytest.fixture
def signer() -> Signer:
    return Signer("client.lyon", Identity.make())


def signed(folder: Path, signer: Signer | None, *, records: int = 5) -> list[TrailHead]:
    """Write a trail whose last record is signed, and return the heads that are kept."""
    journal = trail(folder, records=records)
    TrailHeads(folder, "lyon", signer).sign(journal.last, at=NOON)
    return kept_heads(folder)


def test_an_end_that_was_cut_off_is_found_by_a_head(tmp_path, signer):
    heads = signed(tmp_path, signer)
    (tmp_path / JULY).write_bytes(b"".join(lines_of(tmp_path)[:3]))
    assert found(tmp_path).fault is None, "the chain alone shows nothing"
    fault = found(tmp_path, heads).fault
    assert fault is not None
    assert fault.startswith("Records 4 to 5 are missing: the end was cut off (the head of record 5")


def test_a_trail_that_was_written_anew_is_found_by_a_head(tmp_path, signer):
    heads = signed(tmp_path / "lyon", signer)
    other = Journal(tmp_path / "other")
    for number in (1, 2, 9, 4, 5):
        other.append(sent(number), at=NOON)
    assert found(tmp_path / "other").fault is None
    fault = found(tmp_path / "other", heads).fault
    assert fault is not None
    assert fault.startswith("Records 1 to 5 were written anew after they were signed")


def test_a_head_that_another_key_signed_proves_nothing(tmp_path, signer):
    heads = signed(tmp_path, Signer("client.lyon", Identity.make()))
    key = signer.identity.public.text
    with pytest.raises(AuditError, match="is not signed by ed25519:"):
        check_head_signatures(heads, client="lyon", key=key, where="a file")
    mine = signed(tmp_path / "mine", signer)
    check_head_signatures(mine, client="lyon", key=key, where="a file")
    with pytest.raises(AuditError, match="is not signed by ed25519:"):
        check_head_signatures(mine, client="oslo", key=key, where="a file")


def test_a_trail_leads_to_its_heads_and_goes_on(tmp_path, signer):
    heads = signed(tmp_path, signer)
    Journal(tmp_path).append(sent(6), at=NOON)
    seen = found(tmp_path, heads)
    assert (seen.fault, seen.heads, seen.signed_seq) == (None, 1, 5)


# --- crashes ----------------------------------------------------------------------------------


@given(length=st.integers(min_value=0), again=st.integers(min_value=0))
def test_a_torn_line_is_recovered_and_the_chain_goes_on(length, again, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trail")
    trail(folder, records=3)
    path = folder / JULY
    for torn in (length, again):
        *before, last = lines_of(folder)
        path.write_bytes(b"".join(before) + last[: torn % len(last)])
        assert found(folder).fault is None
        Journal(folder).append(sent(9), at=NOON)
        assert found(folder).fault is None
    assert len(found(folder).recovered) <= 2


def test_what_was_recovered_cannot_be_altered_either(tmp_path):
    trail(tmp_path, records=3)
    *before, last = lines_of(tmp_path)
    (tmp_path / JULY).write_bytes(b"".join(before) + last[:30])
    Journal(tmp_path).append(sent(9), at=NOON)
    lines = lines_of(tmp_path)
    assert found(tmp_path).recovered == (3,)
    assert rewritten(tmp_path, [*lines[:2], *lines[3:]]).startswith("What record 3 says was left")
    assert rewritten(tmp_path, [*lines[:2], lines[2][1:], *lines[3:]]).startswith("What record 3")


APPENDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tasks.site.entry import Sent
from tasks.site.journal import Journal
at = datetime(2026, 7, 8, 12, tzinfo=UTC)
Journal(Path(sys.argv[1])).append(Sent(at=at, run="r", round=7, nbytes=7, sha256="a" * 64), at=at)
"""


def test_a_process_killed_before_its_record_is_synced_leaves_a_chain_that_goes_on(tmp_path):
    trail(tmp_path / "t", records=2)
    marker = tmp_path / "written"
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(tmp_path / "t")],
        env={**os.environ, VARIABLE: f"trail.written={marker}"},
        cwd=Path(__file__).parents[4],
    )
    while not marker.exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    Journal(tmp_path / "t").append(sent(9), at=NOON)  # the lock died with it
    seen = found(tmp_path / "t")
    assert (seen.fault, seen.last and seen.last.seq) == (None, 4)


FILLS_UP = """
import resource, sys
from pathlib import Path
from tasks.site.journal import Journal
from tests.unit.tasks.site.test_audit import JULY, NOON, sent
folder = Path(sys.argv[1])
room = (folder / JULY).stat().st_size + 40
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    Journal(folder).append(sent(9), at=NOON)
except OSError as error:
    print(error.filename, error.strerror)
"""


def test_a_disk_that_takes_half_a_record_leaves_the_trail_as_it_was(tmp_path):
    trail(tmp_path, records=2)
    before = (tmp_path / JULY).read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FILLS_UP, str(tmp_path)],
        cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path / JULY} File too large\n"
    assert (tmp_path / JULY).read_bytes() == before
    Journal(tmp_path).append(sent(3), at=NOON)
    assert found(tmp_path).fault is None


def _append_many(folder: Path, process: int) -> None:
    journal = Journal(folder)
    for number in range(20):
        journal.append(sent(100 * process + number), at=NOON, synced=False)


def test_processes_that_append_at_once_make_one_chain(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_many, args=(tmp_path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    seen = found(tmp_path)
    assert (seen.fault, seen.last and seen.last.seq) == (None, 60)


# --- months -----------------------------------------------------------------------------------


def months(folder: Path, number: int) -> None:
    for month in range(number):
        at = datetime(2024 + month // 12, 1 + month % 12, 15, tzinfo=UTC)
        Journal(folder).append(sent(month + 1), at=at)


def test_the_chain_goes_on_from_month_to_month_and_through_what_was_deleted(tmp_path):
    months(tmp_path, KEPT_MONTHS + 3)
    seen = found(tmp_path)
    assert (seen.fault, seen.first) == (None, 4)


def test_a_month_that_somebody_deletes_is_missed(tmp_path):
    months(tmp_path, 5)
    (tmp_path / "2024-01.jsonl").unlink()
    assert found(tmp_path).fault == "Records 1 to 1 are missing: the beginning was cut off"
    (tmp_path / "2024-03.jsonl").unlink()
    assert found(tmp_path).fault == "Record 3 is missing before line 1 of 2024-04.jsonl"


def test_a_clock_that_was_set_back_breaks_no_chain(tmp_path):
    trail(tmp_path, records=1)
    Journal(tmp_path).append(sent(2), at=NOON - timedelta(days=60))
    assert [path.name for path in tmp_path.glob("*.jsonl")] == [JULY]
    assert found(tmp_path).fault is None


def test_others_can_read_no_trail(tmp_path, signer):
    signed(tmp_path / "site", signer)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "site").iterdir()}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "site").stat().st_mode & 0o777 == 0o700


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a site with a key, five records and a signed head."""
    path = site_key_file(tmp_path, "lyon")
    identity = Identity.make()
    identity.save(path)
    journal = Journal(path.parent)
    for number in range(1, 6):
        journal.append(sent(number).model_copy(update={"at": wall_now()}))
    TrailHeads(path.parent, "lyon", Signer("client.lyon", identity)).sign(journal.last)
    return tmp_path


def command(home: Path, *words: str) -> Result:
    settings.load.cache_clear()
    env = {"FAIRWIND_HOME": str(home), "FAIRWIND_CLIENT": "lyon"}
    return CliRunner(env=env).invoke(fairwind, ["site", *words])


def test_the_command_says_that_a_trail_is_whole_and_signed(home):
    done = command(home, "audit", "--verify")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(
        r"Records 1 to 5, all as written; head [0-9a-f]{16}\.\n"
        r"They lead to the 1 heads that were signed, up to record 5\.\n", done.stdout,
    )  # fmt: skip
    shown = json.loads(command(home, "audit", "--verify", "--json").stdout)
    assert (shown["fault"], shown["heads"]) == (None, {"compared": 1, "signed_seq": 5})


def test_the_command_names_what_was_altered_in_one_line(home):
    (path,) = (home / "site" / "lyon").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"nbytes":3', b'"nbytes":2'))
    done = command(home, "audit", "--verify")
    assert done.exit_code == 1
    assert done.output.startswith("Error: Record 3 (line 3 of ")
    assert "Traceback" not in done.output


def test_the_coordinators_heads_are_compared_too(home, tmp_path):
    folder = home / "site" / "lyon"
    (kept,) = kept_heads(folder)
    given = tmp_path / "lyon.heads"
    given.write_text(kept.model_dump_json() + "\n")
    for path in folder.glob("*.heads"):
        path.unlink()  # whoever cuts the trail removes its heads, too
    (path,) = folder.glob("*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert command(home, "audit", "--verify").exit_code == 0
    done = command(home, "audit", "--verify", "--heads", str(given))
    assert done.exit_code == 1
    assert "Records 3 to 5 are missing: the end was cut off" in done.output


def test_a_pause_and_what_was_refused_are_on_record(home):
    assert command(home, "pause").exit_code == 0
    assert command(home, "pause").exit_code == 0  # it was paused already: nothing was decided
    assert command(home, "resume").exit_code == 0
    journal = Journal(home / "site" / "lyon")
    journal.append(
        Refused(at=wall_now(), task="train", issuer="unknown", code="x", text="forged", times=3)
    )
    listed: list[dict[str, Any]] = json.loads(command(home, "audit", "--json").stdout)
    decided = [entry["what"] for entry in listed if entry["kind"] == "decided"]
    assert decided == ["paused", "resumed"]
    text = command(home, "audit").stdout
    assert "3 x train of unknown: forged" in text
    assert Decided.model_validate(listed[-3]).what == "paused"
