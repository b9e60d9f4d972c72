"""The outbox answers a repeated assignment, whatever happened in between, and no other."""

import errno
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.clock import GridClock
from common.hyperparameters import Hyperparameters
from common.ledger_head import LedgerHead
from common.messages import Assignment, BlobRef, Receipt
from tasks.site.outbox import Outbox
from tasks.site.site_files import sweep

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
REF = BlobRef(key="update~a~r~1", sha256="0" * 64, nbytes=5)


def assignment(**changes: Any) -> Assignment:
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "attempt": 0, "workload": "digits",
        "hyperparameters": Hyperparameters(), "model": REF, "seed": 7, "clock": GridClock(),
        "issued_at": NOON, "sent_at": NOON, "valid_until": NOON, "intensity_gco2eq_per_kwh": 50.0,
    }  # fmt: skip
    return Assignment(**(fields | changes))


def ref(data: bytes) -> BlobRef:
    return BlobRef(key="update~a~r~1", sha256=hashlib.sha256(data).hexdigest(), nbytes=len(data))


def receipt(data: bytes = b"delta", **changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "attempt": 0, "outcome": "trained",
        "update": ref(data),
        "started_at": NOON, "ended_at": NOON, "sent_at": NOON, "incarnation": "i",
    }  # fmt: skip
    return Receipt(**(fields | changes))


def written(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def keep(outbox: Outbox, answer: Receipt, data: bytes = b"delta") -> None:
    outbox.keep_update(written(data))
    outbox.keep(assignment(round=answer.round), answer)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outbox" / "a"


def test_an_empty_outbox_answers_nothing(folder):
    assert Outbox(folder).answer_to(assignment()) is None


def test_an_answer_survives_the_process(folder):
    keep(Outbox(folder), receipt())
    again = Outbox(folder)
    assert again.answer_to(assignment()) == receipt()
    assert again.update.read_bytes() == b"delta"


def test_another_attempt_at_the_same_round_is_answered(folder):
    keep(Outbox(folder), receipt())
    assert Outbox(folder).answer_to(assignment(attempt=3)) == receipt()


def test_an_attempt_that_carries_a_newer_head_of_the_ledger_is_answered(folder):
    keep(Outbox(folder), receipt())
    head = LedgerHead(ledger="0" * 64, seq=9, hash="1" * 64, at=datetime(2026, 1, 1, tzinfo=UTC))
    assert Outbox(folder).answer_to(assignment(attempt=1, head=head)) == receipt()


@pytest.mark.parametrize(
    "changes",
    [
        {"round": 2},
        {"run": "s"},
        {"seed": 8},
        {"model": BlobRef(key="model.b", sha256="1" * 64, nbytes=5)},
        {"hyperparameters": Hyperparameters(epochs=2)},
        {"workload": "breast_cancer"},
    ],
)
def test_other_work_is_not_answered(folder, changes):
    keep(Outbox(folder), receipt())
    assert Outbox(folder).answer_to(assignment(**changes)) is None


def test_the_next_answer_replaces_the_last(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    keep(outbox, receipt(b"second", round=2), b"second")
    assert outbox.answer_to(assignment()) is None
    assert outbox.answer_to(assignment(round=2)) == receipt(b"second", round=2)
    assert outbox.update.read_bytes() == b"second"
    assert sorted(path.name for path in folder.iterdir()) == [
        "receipt.json",
        "update.safetensors",
    ]


def test_new_bytes_without_their_receipt_are_no_answer(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    outbox.keep_update(written(b"killed here"))
    assert Outbox(folder).answer_to(assignment()) is None


def test_bytes_that_break_off_leave_the_old_ones_but_no_answer_to_them(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())

    def full(path: Path) -> None:
        path.write_bytes(b"hal")
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        outbox.keep_update(full)
    assert outbox.update.read_bytes() == b"delta"
    assert outbox.answer_to(assignment()) is None


def test_bytes_torn_by_a_power_failure_are_no_answer(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    outbox.update.write_bytes(b"del")
    assert outbox.answer_to(assignment()) is None


def test_a_half_written_receipt_is_ignored(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    whole = (folder / "receipt.json").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (folder / "receipt.json").write_bytes(whole[:length])
        assert outbox.answer_to(assignment()) is None
    (folder / "receipt.json").write_bytes(b"\xff\xfe")
    assert outbox.answer_to(assignment()) is None


def test_what_a_crash_left_beside_the_answer_does_not_matter(folder):
    keep(Outbox(folder), receipt())
    (folder / "receipt.json.part").write_text('{"run": "s"')
    (folder / "update.safetensors.part").write_bytes(b"half")
    assert Outbox(folder).answer_to(assignment()) == receipt()


def test_a_receipt_whose_bytes_are_gone_is_no_answer(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    outbox.update.unlink()
    assert outbox.answer_to(assignment()) is None


def test_a_receipt_of_an_older_fairwind_is_no_answer(folder):
    outbox = Outbox(folder)
    keep(outbox, receipt())
    text = (folder / "receipt.json").read_text()
    (folder / "receipt.json").write_text(text.replace('"num_examples"', '"examples"'))
    assert outbox.answer_to(assignment()) is None


def test_what_killed_processes_left_is_swept_by_the_next_update_and_at_the_start(folder):
    folder.mkdir(parents=True)
    left = folder / "0a1b.part"
    left.write_bytes(b"half of an update")
    Outbox(folder).keep_update(written(b"whole"))
    assert [path.name for path in folder.iterdir()] == ["update.safetensors"]
    left.write_bytes(b"half of an update")
    sweep(folder)
    assert [path.name for path in folder.iterdir()] == ["update.safetensors"]


def test_an_update_that_does_not_fit_on_the_disk_leaves_no_half_of_it(folder):
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        Outbox(folder).keep_update(full)
    assert list(folder.iterdir()) == []
