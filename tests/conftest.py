"""What all tests share. Tests in `unit` need no Redis and no worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from common import settings
from common.errors import SettingError
from common.settings.names import CONFIG, PREFIX

for _name in [name for name in os.environ if name.startswith(PREFIX)]:
    # Before `tasks` is imported: its Celery app reads the settings once.
    if _name != f"{PREFIX}DATA":
        del os.environ[_name]
# Nor does a settings file in the home of whoever runs the tests count.
os.environ[CONFIG] = os.devnull
# Before torch is imported: processes run at once here, not threads.
os.environ["OMP_NUM_THREADS"] = "1"

from tasks.local.federation import LocalFederation
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer

# A shell that runs the tests in the background ignores Ctrl-C, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

_TESTS = Path(__file__).parent
_MARKED_FOLDERS = ("integration", "e2e", "images")

# A deadline would measure how busy the machine is.
hypothesis.settings.register_profile("fairwind", deadline=None)
hypothesis.settings.load_profile("fairwind")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for folder in _folders(item):
            item.add_marker(folder)
    # The quick ones first, and while no federation runs beside them: some count CPU seconds of
    # this process and all its children. Of the others the long ones, lest one of them is the last.
    items.sort(key=lambda item: (len(_folders(item)), item.get_closest_marker("long") is None))


def _folders(item: pytest.Item) -> list[str]:
    return [name for name in _MARKED_FOLDERS if item.path.is_relative_to(_TESTS / name)]


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for all tests of the session. Who kills it restarts it."""
    with Processes(tmp_path_factory.mktemp("redis")) as processes:
        try:
            server = RedisServer(processes)
        except SettingError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture
def federation_folder(tmp_path: Path) -> Path:
    """Where a federation of one test keeps its files."""
    return tmp_path / "federation"


@pytest.fixture
def federation(federation_folder: Path) -> Iterator[LocalFederation]:
    """A federation of three clients in three zones, with a Redis of its own and no workers yet."""
    zones = {"north": "NO-NO1", "west": "FR", "east": "PL"}
    with LocalFederation(federation_folder, zones) as started:
        yield started
