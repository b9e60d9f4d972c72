"""What tests of the ledger share: one in an empty folder, and how to open it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import GridClock
from scheduler.federation.opening import FederationLedger, open_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def ledger(url: str) -> Iterator[FederationLedger]:
    opened = open_ledger(url, GridClock())
    yield opened
    opened.close()
