"""Freed memory goes back to the system."""

import subprocess
import sys

import pytest

from models.heap import _glibc

FREED = """
import torch
from models.heap import trim_heap

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

# 3,000 of 100 kB: whatever is below 128 kB comes from the heap, and the last one keeps its end.
kept = [torch.ones(25_000) for _ in range(3_000)]
del kept[:-1]
before = resident_mb()
trim_heap()
print(before - resident_mb())
"""


@pytest.mark.skipif(_glibc() is None, reason="the C library is another than glibc")
def test_the_memory_of_freed_tensors_goes_back_to_the_system():
    done = subprocess.run(
        [sys.executable, "-c", FREED], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) > 100
