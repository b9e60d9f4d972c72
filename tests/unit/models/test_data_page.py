"""The data folder holds what docs/data.md says it holds."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

DEBIAN = Path("/usr/share/datasets")

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text("utf-8")

SUMS = dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", SUMS)
def test_checksum_is_that_of_the_file(name, data_file):
    path = DEBIAN / name if (DEBIAN / name).is_file() else data_file(name)
    packed = path.read_bytes()
    inside = gzip.decompress(packed) if name.endswith(".gz") else packed
    assert hashlib.sha256(inside).hexdigest() == SUMS[name]


def test_every_file_that_is_named_has_a_checksum():
    named = re.findall(r"^\| `([^`]+)`(?: and three more)? \| (?!`)", PAGE, re.MULTILINE)
    assert set(named) <= set(SUMS)
    assert len(SUMS) == len(named) + 3
