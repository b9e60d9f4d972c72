"""What tests against a real Redis share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from common import settings
from tasks.local.redis_server import RedisServer


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
