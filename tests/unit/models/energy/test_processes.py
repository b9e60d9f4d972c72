"""CPU seconds, against counts that were made without us: by the kernel, and by the children."""

import os
import subprocess
import sys
import time

import pytest
from torch.utils.data import DataLoader, Dataset

from models.energy.cpu import Cpu
from models.energy.energy_source import Span
from models.energy.processes import cpu_seconds, pids

CHILD = """
import sys, time
while time.process_time() < {seconds}: pass
print(time.process_time(), flush=True)
sys.stdin.read()
"""


def child(seconds: float) -> subprocess.Popen[str]:
    """Start a process that works for CPU seconds, says how many, and waits to be let go."""
    return subprocess.Popen(
        [sys.executable, "-S", "-c", CHILD.format(seconds=seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def said_s(process: subprocess.Popen[str]) -> float:
    assert process.stdout is not None
    return float(process.stdout.readline())


def let_go(process: subprocess.Popen[str]) -> float:
    """Let a child end, and return the CPU seconds that the kernel counted for it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return used.ru_utime + used.ru_stime


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_children_dead_or_alive_agree_with_an_independent_count_within_2_percent():
    self_before, before = time.process_time(), cpu_seconds()
    ends, lives = child(0.5), child(0.5)
    burn(0.3)
    said_s(ends)
    ended_s, lives_s = let_go(ends), said_s(lives)
    ours, self_s = cpu_seconds() - before, time.process_time() - self_before
    let_go(lives)
    assert ours == pytest.approx(self_s + ended_s + lives_s, rel=0.02)
    (part,) = Cpu(watts_per_core=7.2).stop(Span(wall_s=1.0, cpu_s=ours))
    # 7.2 W for 500 s are 1 Wh.
    assert part.energy_wh == pytest.approx((self_s + ended_s + lives_s) / 500, rel=0.02)
    assert (part.method, part.quality) == ("cpu-seconds", "modelled")


def test_a_child_that_was_there_before_counts_from_then_on_only():
    old = child(0.3)
    said_s(old)
    before = cpu_seconds()
    let_go(old)
    assert cpu_seconds() - before < 0.1


def test_sleep_costs_next_to_nothing():
    before = cpu_seconds()
    time.sleep(0.05)
    assert cpu_seconds() - before < 0.03


def test_a_task_is_this_process_and_its_children():
    before = pids()
    assert os.getpid() in before
    lives = child(0.0)
    said_s(lives)
    assert pids() == before | {lives.pid}
    let_go(lives)
    assert pids() == before


class Burning(Dataset[float]):
    """Each of its examples costs a tenth of a CPU second, and says what its process has used."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> float:
        burn(0.1)
        return time.process_time()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("persistent", [True, False])
def test_workers_that_load_data_count_while_they_live_and_after(persistent):
    loader = DataLoader(
        Burning(), batch_size=None, num_workers=1, persistent_workers=persistent,
        multiprocessing_context="fork",
    )  # fmt: skip
    self_before, before = time.process_time(), cpu_seconds()
    worker_s = max(float(used_s) for used_s in loader)
    ours, self_s = cpu_seconds() - before, time.process_time() - self_before
    # Of each process, user and system time are known in whole ticks of 10 ms. A worker that ends
    # works on for a moment after it has said what it used.
    assert self_s + worker_s - 0.04 <= ours <= self_s + worker_s + 0.3
    del loader
