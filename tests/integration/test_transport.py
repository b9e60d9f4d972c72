"""Redis as a transport: the same promises, bytes that expire, and links that are slow or cut."""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Timer

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.link import Link
from common.errors import TransportError
from common.messages import BlobRef
from tasks.messaging.transport import CHUNK, FolderTransport, RedisTransport, fetch
from tasks.messaging.transport.by_redis import PIECE
from tests.unit.tasks.messaging.transport_contract import TransportContract, content, got, put

TTL_S = 90
KEY = "fairwind:blob:update~a~r~1"


@pytest.fixture
def transport(redis_client):
    return RedisTransport(redis_client, TTL_S, patience_s=0.0)


class TestRedisTransport(TransportContract):
    """Hashes beside the queues."""


def test_bytes_expire_if_nobody_fetches_them(transport, redis_client, tmp_path):
    put(transport, tmp_path, content(2 * CHUNK + 1))
    (name,) = redis_client.keys("*")
    assert TTL_S - 30 < redis_client.ttl(name) <= TTL_S


def test_bytes_that_are_offered_again_wait_as_long_as_new_ones(transport, redis_client, tmp_path):
    ref = put(transport, tmp_path, content(2 * CHUNK + 1))
    redis_client.expire(KEY, 5)
    assert transport.keep(ref)
    assert redis_client.ttl(KEY) > TTL_S - 30


def test_whoever_fetches_bytes_has_no_say_in_how_long_they_wait(transport, redis_client, tmp_path):
    ref = put(transport, tmp_path, content(2 * CHUNK + 1))
    redis_client.expire(KEY, 60)
    assert got(transport, ref)
    assert redis_client.ttl(KEY) <= 60


@pytest.mark.parametrize("piece", [0, 1, CHUNK // PIECE, 2 * CHUNK // PIECE])
def test_one_lost_piece_is_bytes_that_are_gone(transport, redis_client, tmp_path, piece):
    ref = put(transport, tmp_path, content(2 * CHUNK + 1))
    redis_client.hdel(KEY, piece)
    assert not transport.has(ref)
    with pytest.raises(TransportError, match="gone"):
        got(transport, ref)
    assert put(transport, tmp_path, content(2 * CHUNK + 1)) == ref
    assert got(transport, ref) == content(2 * CHUNK + 1)


def test_altered_bytes_are_deleted_and_sent_again(transport, redis_client, tmp_path):
    ref = put(transport, tmp_path, content(CHUNK))
    redis_client.hset(KEY, "1", b"\0" * PIECE)
    with pytest.raises(TransportError, match="are not the"):
        got(transport, ref)
    assert not transport.has_some(ref)
    put(transport, tmp_path, content(CHUNK))
    assert got(transport, ref) == content(CHUNK)


def test_bytes_that_replace_others_are_not_deleted_by_those_who_want_the_others(
    transport, tmp_path
):
    before = put(transport, tmp_path, b"what was sent")
    after = put(transport, tmp_path, b"what was sEnt")
    with pytest.raises(TransportError, match="are not the"):
        got(transport, before)
    assert got(transport, after) == b"what was sEnt"


def test_a_redis_that_fails_is_bytes_that_cannot_be_had_now(tmp_path):
    ref = put(FolderTransport(tmp_path / "shared", TTL_S), tmp_path, b"bytes")
    nobody = redis.Redis(port=1, socket_connect_timeout=1)
    with pytest.raises(TransportError, match="fetched again"):
        got(RedisTransport(nobody, TTL_S, patience_s=0.0), ref)


def test_deleting_leaves_nothing_in_redis(transport, redis_client, tmp_path):
    transport.delete(put(transport, tmp_path, content(2 * CHUNK + 1)))
    assert redis_client.keys("*") == []


def test_a_flushed_redis_has_nothing(transport, redis_client, tmp_path):
    ref = put(transport, tmp_path, b"bytes")
    redis_client.flushall()
    assert not transport.has(ref)


@contextmanager
def over(
    server: redis.Redis, *, bit_per_s: float = 1e9, silence_s: float = 1.0, patience_s: float = 30.0
) -> Iterator[tuple[Link, RedisTransport]]:
    """A site's transport at the far end of a link; its socket bears so many seconds of silence."""
    port = server.connection_pool.connection_kwargs["port"]
    with Link(port, bit_per_s=bit_per_s) as link:
        far = redis.Redis(
            port=link.port, socket_timeout=silence_s, socket_connect_timeout=silence_s,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        with far:
            yield link, RedisTransport(far, TTL_S, patience_s=patience_s)


def test_a_transfer_may_take_longer_than_a_silence(transport, redis_client, tmp_path):
    data = content(1_000_000)  # 2 s each way, for a socket that gives up after 1 s
    with over(redis_client, bit_per_s=4e6, patience_s=0.0) as (_, site):
        ref = put(site, tmp_path, data)
        assert got(transport, ref) == data
        assert got(site, ref) == data


def test_what_arrived_before_a_cut_is_not_sent_again(transport, redis_client, tmp_path):
    data = content(2 * CHUNK)
    with over(redis_client) as (link, site):
        link.cut_after(CHUNK)
        ref = put(site, tmp_path, data)
        assert link.up.nbytes < 1.7 * len(data)
        assert got(transport, ref) == data


def test_what_was_fetched_before_a_cut_is_not_fetched_again(transport, redis_client, tmp_path):
    data = content(3 * CHUNK)
    ref = put(transport, tmp_path, data)
    with over(redis_client) as (link, site):
        link.cut_after(2 * CHUNK)
        assert got(site, ref) == data
        assert link.down.nbytes < 1.8 * len(data)


def test_a_link_that_is_cut_again_and_again_carries_a_transfer_to_its_end(
    transport, redis_client, tmp_path
):
    data = content(CHUNK)
    ref = put(transport, tmp_path, data, "model~0")
    with over(redis_client, bit_per_s=16e6) as (link, site):  # 2 s each way, cut every 0.6 s
        link.cut_after(1_200_000, again=True)
        assert got(transport, put(site, tmp_path, data)) == data
        assert got(site, ref) == data


def test_a_line_that_is_dead_for_a_while_ends_no_transfer(transport, redis_client, tmp_path):
    data = content(CHUNK)
    with over(redis_client, bit_per_s=32e6) as (link, site):
        Timer(0.3, link.stall).start()
        Timer(2.0, link.mend).start()
        assert got(transport, put(site, tmp_path, data)) == data


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),  # full
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),  # a failover
    ],
)
def test_a_redis_that_takes_nothing_for_a_while_is_waited_for(away, back, redis_client, tmp_path):
    site = RedisTransport(redis_client, TTL_S, patience_s=30.0)
    redis_client.execute_command(away)
    mending = Timer(0.5, redis_client.execute_command, [back])
    mending.start()
    ref = put(site, tmp_path, content(CHUNK))
    mending.join()
    assert got(site, ref) == content(CHUNK)


def test_a_redis_that_forgets_while_bytes_are_sent_gets_all_of_them(
    transport, redis_client, tmp_path
):
    data = content(CHUNK)
    with over(redis_client, bit_per_s=32e6) as (_, site):
        Timer(0.4, redis_client.flushall).start()
        ref = put(site, tmp_path, data)
    assert got(transport, ref) == data
    assert redis_client.ttl(KEY) > 0


def test_an_attempt_that_was_given_up_leaves_what_arrived(transport, redis_client, tmp_path):
    data = content(2 * CHUNK)
    with over(redis_client, patience_s=0.0) as (link, site):
        link.cut_after(CHUNK)
        with pytest.raises(redis.ConnectionError):
            put(site, tmp_path, data)
        before = link.up.nbytes
        ref = put(site, tmp_path, data)
        assert link.up.nbytes - before < 0.8 * len(data)
        before = link.up.nbytes
        assert put(site, tmp_path, data) == ref
        assert link.up.nbytes - before < 1000  # it asks, and all is there
    assert got(transport, ref) == data


def test_what_a_killed_process_had_fetched_is_not_fetched_again(transport, redis_client, tmp_path):
    data = content(3 * CHUNK)
    ref, folder = put(transport, tmp_path, data), tmp_path / "pulled"
    with over(redis_client, patience_s=0.0) as (link, site):
        link.cut_after(2 * CHUNK)
        with pytest.raises(TransportError, match="fetched again"):
            fetch(site, ref, folder)
        before = link.down.nbytes
        assert fetch(site, ref, folder) == data
        assert link.down.nbytes - before < 0.8 * len(data)
    assert [*folder.iterdir()] == []


def test_what_was_kept_and_is_wrong_is_fetched_again(transport, tmp_path):
    data = content(CHUNK)
    ref, folder = put(transport, tmp_path, data), tmp_path / "pulled"
    folder.mkdir()
    (folder / f"{ref.sha256}.part").write_bytes(b"\0" * PIECE)
    (folder / f"{'0' * 64}.part").write_bytes(b"of a version that nobody wants any more")
    assert fetch(transport, ref, folder) == data
    assert [*folder.iterdir()] == []
    assert transport.has(ref)


def test_a_slow_transfer_holds_up_nobody_else(transport, redis_client, tmp_path):
    data, path = content(CHUNK), tmp_path / "slow"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    slow_ref = BlobRef(key="update~slow~r~1", sha256=sha256, nbytes=len(data))
    with (
        over(redis_client, bit_per_s=1e5, silence_s=30.0, patience_s=0.0) as (link, slow),
        ThreadPoolExecutor(1) as thread,
    ):
        sending = thread.submit(slow.put, slow_ref.key, path, sha256)
        while link.up.nbytes < PIECE // 4:
            time.sleep(0.01)
        fast_ref = put(transport, tmp_path, data, "update~fast~r~1")
        assert got(transport, fast_ref) == data
        assert not transport.has(slow_ref)
        link.cut()
        with pytest.raises(redis.ConnectionError):
            sending.result()
