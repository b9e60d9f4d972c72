"""Redis as a transport: the same promises, and bytes that expire."""

import pytest
import redis

from common.errors import TransportError
from tasks.messaging.transport import CHUNK, FolderTransport, RedisTransport
from tests.unit.tasks.messaging.transport_contract import TransportContract, content, got, put

TTL_S = 90


@pytest.fixture
def transport(redis_client):
    return RedisTransport(redis_client, TTL_S)


class TestRedisTransport(TransportContract):
    """Values beside the queues."""


def test_bytes_expire_if_nobody_fetches_them(transport, redis_client, tmp_path):
    put(transport, tmp_path, content(2 * CHUNK + 1))
    names = redis_client.keys("*")
    assert len(names) == 3
    assert all(TTL_S - 30 < redis_client.ttl(name) <= TTL_S for name in names)


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_one_lost_piece_is_bytes_that_are_gone(transport, redis_client, tmp_path, chunk):
    ref = put(transport, tmp_path, content(2 * CHUNK + 1))
    redis_client.delete(sorted(redis_client.keys("*"))[chunk])
    assert not transport.has(ref)
    with pytest.raises(TransportError, match="gone"):
        got(transport, ref)


def test_a_redis_that_fails_is_bytes_that_cannot_be_had_now(tmp_path):
    ref = put(FolderTransport(tmp_path / "shared", TTL_S), tmp_path, b"bytes")
    nobody = redis.Redis(port=1, socket_connect_timeout=1)
    with pytest.raises(TransportError, match="fetched again"):
        got(RedisTransport(nobody, TTL_S), ref)


def test_deleting_leaves_nothing_in_redis(transport, redis_client, tmp_path):
    transport.delete(put(transport, tmp_path, content(2 * CHUNK + 1)))
    assert redis_client.keys("*") == []


def test_a_flushed_redis_has_nothing(transport, redis_client, tmp_path):
    ref = put(transport, tmp_path, b"bytes")
    redis_client.flushall()
    assert not transport.has(ref)
