"""What tests against a real Redis share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common import settings
from tasks.local.redis_server import RedisServer
from tests.integration.fleet import Fleet, running_fleet

INTENSITIES = {"NO-NO1": 20, "FR": 50, "ES": 90, "DE": 150, "PL": 700}
BOTH_TESTED = "tests.fakes.both_tested"
SITE_TESTED = "tests.fakes.site_tested"
OWN_LOOP = "tests.fakes.own_loop"
ODD_WORKLOADS = Path(__file__).parent / "odd_workloads.py"


@pytest.fixture
def redis_client(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """A connection to an empty database, which is also the one that the settings name."""
    monkeypatch.setenv("FAIRWIND_REDIS_URL", redis_server.redis_url)
    settings.load.cache_clear()
    with redis.Redis.from_url(redis_server.redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One federation for all tests that leave it as they found it.

    North and west train. Odd trains, too, but misbehaves in the workloads of `odd_workloads.py`.
    Modest declines whatever it is asked, because of its own ceiling. The gate of coal is closed.
    """
    folder = tmp_path_factory.mktemp("fleet") / "federation"
    folder.mkdir()
    (folder / "odd_workloads.py").write_text(ODD_WORKLOADS.read_text())
    names = [
        "model",
        "data",
        "loss",
        "nan",
        "another_model",
        "waits",
        "killed",
        "killed_once",
        "wordy",
        "optional",
    ]
    workloads = [
        "digits",
        BOTH_TESTED,
        SITE_TESTED,
        OWN_LOOP,
        "no_such_module",
        *(f"odd_workloads:{name}" for name in names),
    ]
    with running_fleet(
        folder,
        {"north": "NO-NO1", "west": "FR", "odd": "ES", "modest": "DE"},
        settings={
            "FAIRWIND_STATIC_GCO2EQ_PER_KWH": json.dumps(INTENSITIES),
            "FAIRWIND_WORKLOADS": ",".join(workloads),
        },
        sites={"odd": {"ODD": "1"}, "modest": {"FAIRWIND_SITE_CEILING_GCO2EQ_PER_KWH": "120"}},
    ) as started:
        started.enroll("coal", "PL")
        started.start_by_name("coal")
        sys.path.append(str(folder))
        yield started
        sys.path.remove(str(folder))
