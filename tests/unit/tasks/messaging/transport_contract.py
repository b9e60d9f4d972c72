"""What every transport promises. A test module adds the fixture `transport` for its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from common.errors import TransportError
from common.messages import BlobRef
from tasks.messaging.transport import CHUNK, Transport, fetch
from tasks.messaging.transport.by_redis import PIECE

BLOCK = hashlib.sha256(b"fairwind").digest()


def content(nbytes: int, seed: int = 0) -> bytes:
    """Return that many bytes that tell every piece from the others."""
    parts = [bytes([seed, *divmod(piece, 256)]) + BLOCK for piece in range(-(-nbytes // PIECE))]
    return b"".join((part * (PIECE // len(part) + 1))[:PIECE] for part in parts)[:nbytes]


def put(transport: Transport, folder: Path, data: bytes, key: str = "update~a~r~1") -> BlobRef:
    """Offer bytes from a file."""
    path = folder / "sent"
    path.write_bytes(data)
    return transport.put(key, path, hashlib.sha256(data).hexdigest())


def got(transport: Transport, ref: BlobRef) -> bytes:
    """Fetch bytes as a site does, and return them."""
    return bytes(fetch(transport, ref))


class TransportContract:
    """The tests that every implementation passes."""

    @pytest.mark.parametrize(
        "nbytes", [1, PIECE, PIECE + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7]
    )
    def test_what_was_put_is_fetched(self, transport, tmp_path, nbytes):
        data = content(nbytes)
        ref = put(transport, tmp_path, data)
        assert ref.nbytes == nbytes
        assert transport.has(ref)
        assert got(transport, ref) == data

    @pytest.mark.parametrize("start", [0, 1, PIECE - 1, PIECE, 3 * PIECE + 5, CHUNK, CHUNK + 9])
    def test_a_transfer_may_begin_anywhere(self, transport, tmp_path, start):
        data = content(CHUNK + 10)
        ref = put(transport, tmp_path, data)
        assert b"".join(transport.chunks(ref, start)) == data[start:]

    def test_some_bytes_are_there_once_sending_has_begun(self, transport, tmp_path):
        data = content(2 * PIECE)
        ref = BlobRef(key="update~a~r~1", sha256=hashlib.sha256(data).hexdigest(), nbytes=len(data))
        assert not transport.has_some(ref)
        put(transport, tmp_path, content(2 * PIECE, seed=1))
        assert not transport.has_some(ref)
        put(transport, tmp_path, data)
        assert transport.has_some(ref)

    def test_nothing_is_something_that_can_be_sent(
        self, transport: Transport, tmp_path: Path
    ) -> None:
        ref = put(transport, tmp_path, b"")
        assert ref.nbytes == 0
        assert transport.has(ref)
        assert got(transport, ref) == b""

    def test_pieces_fit_in_memory(self, transport, tmp_path):
        ref = put(transport, tmp_path, content(3 * CHUNK))
        assert max(len(chunk) for chunk in transport.chunks(ref)) <= CHUNK

    def test_keys_do_not_mix(self, transport, tmp_path):
        first = put(transport, tmp_path, b"one", "update~a~r~1")
        second = put(transport, tmp_path, b"two", "update~a~r~11")
        assert (got(transport, first), got(transport, second)) == (
            b"one",
            b"two",
        )

    @pytest.mark.parametrize("nbytes", [3, CHUNK, CHUNK + 1])
    def test_the_same_key_again_replaces(self, transport, tmp_path, nbytes):
        before = put(transport, tmp_path, content(2 * CHUNK))
        after = put(transport, tmp_path, content(nbytes, seed=1))
        assert got(transport, after) == content(nbytes, seed=1)
        with pytest.raises(TransportError):
            got(transport, before)

    def test_bytes_that_are_not_there_are_missing(self, transport, tmp_path):
        ref = BlobRef(key="nothing.here", sha256="0" * 64, nbytes=5)
        assert not transport.has(ref)
        with pytest.raises(TransportError, match=r"nothing\.here are gone"):
            got(transport, ref)

    def test_altered_bytes_are_not_used(self, transport, tmp_path):
        ref = put(transport, tmp_path, b"what was sent")
        put(transport, tmp_path, b"what was sEnt")
        with pytest.raises(TransportError, match="not the 13 that were promised"):
            got(transport, ref)

    @pytest.mark.parametrize("longer", [1, CHUNK, CHUNK + 1])
    def test_more_bytes_than_promised_are_never_used(self, transport, tmp_path, longer):
        ref = put(transport, tmp_path, content(CHUNK + 3))
        put(transport, tmp_path, content(CHUNK + 3 + longer))
        with pytest.raises(TransportError, match="not the"):
            got(transport, ref)

    def test_fewer_bytes_than_promised_are_not_used(self, transport, tmp_path):
        ref = put(transport, tmp_path, content(CHUNK + 3))
        put(transport, tmp_path, content(CHUNK + 2))
        with pytest.raises(TransportError, match="not the"):
            got(transport, ref)

    def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, transport, tmp_path):
        ref = put(transport, tmp_path, content(2 * CHUNK))
        other = put(transport, tmp_path, b"stays", "update~b~r~1")
        transport.delete(ref)
        assert not transport.has(ref)
        with pytest.raises(TransportError, match="gone"):
            got(transport, ref)
        transport.delete(ref)
        assert got(transport, other) == b"stays"
