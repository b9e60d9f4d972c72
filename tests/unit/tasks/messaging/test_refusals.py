"""What was refused is counted whole, whichever process of a home refused it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from common.messages import Reason
from tasks.messaging.refusals import Refusals, refusals_file

PROCESSES, EACH = 4, 25


def refuse(folder: Path, process: int) -> None:
    # Each kind anew: within a minute one object writes the same kind once.
    for _ in range(EACH):
        Refusals(refusals_file(folder)).note("train", "", Reason(code="unsigned", text="x"))
        Refusals(refusals_file(folder)).note(
            "train", f"client.{process}", Reason(code="x", text="x")
        )


def test_refusals_of_several_processes_at_once_are_all_counted(tmp_path: Path):
    spawned = multiprocessing.get_context("spawn")
    processes = [spawned.Process(target=refuse, args=(tmp_path, n)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = Refusals(refusals_file(tmp_path)).read()
    assert {(each.issuer, each.times) for each in found} == {
        ("", PROCESSES * EACH), *((f"client.{n}", EACH) for n in range(PROCESSES)),
    }  # fmt: skip


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path):
    Refusals(refusals_file(tmp_path / "none")).note("train", "", Reason(code="x", text="x"))
    assert Refusals(refusals_file(tmp_path / "none")).read() == ()
