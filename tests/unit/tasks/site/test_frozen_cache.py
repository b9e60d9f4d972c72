"""A site keeps frozen parts within its limit, and never uses one that is not what its name says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from common.errors import SettingError, TransportError
from common.files import file_sha256
from common.messages import BlobRef
from models.serialization import write_state
from tasks.messaging.transport import FolderTransport
from tasks.site.frozen_cache import FrozenCache

SIZE = 4_000
ROOM = 2.5 * 4 * SIZE
"""For two parts, not for three."""


@pytest.fixture
def transport(tmp_path: Path) -> FolderTransport:
    return FolderTransport(tmp_path / "wire", 3600)


def offered(transport: FolderTransport, folder: Path, value: float) -> BlobRef:
    path = folder / f"{value}"
    write_state({"w": torch.full((SIZE,), value)}, path)
    return transport.put(f"frozen~{value}", path, file_sha256(path))


def kept(cache: Path) -> set[str]:
    return {path.stem for path in cache.glob("*.safetensors")}


def test_a_part_is_pulled_once_also_for_the_next_process(
    transport: FolderTransport, tmp_path: Path
) -> None:
    ref = offered(transport, tmp_path, 1.0)
    first = FrozenCache(tmp_path / "cache", ROOM)
    assert first.get(transport, ref)["w"].eq(1).all()
    assert (first.take_pulled_nbytes(), first.take_pulled_nbytes()) == (ref.nbytes, 0)
    transport.delete(ref)
    for cache in (first, FrozenCache(tmp_path / "cache", ROOM)):
        assert cache.get(transport, ref)["w"].eq(1).all()
        assert cache.take_pulled_nbytes() == 0


def test_what_was_not_used_for_the_longest_time_makes_room(
    transport: FolderTransport, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    cache = FrozenCache(folder, ROOM)
    one, two, three = (offered(transport, tmp_path, value) for value in (1.0, 2.0, 3.0))
    mapped = cache.get(transport, one)
    cache.get(transport, two)
    cache.get(transport, one)
    cache.get(transport, three)
    assert kept(folder) == {one.sha256, three.sha256}
    assert mapped["w"].eq(1).all()


def test_a_part_above_the_limit_is_refused_in_one_line_and_removes_nothing(
    transport: FolderTransport, tmp_path: Path
) -> None:
    one = offered(transport, tmp_path, 1.0)
    FrozenCache(tmp_path / "cache", ROOM).get(transport, one)
    small = FrozenCache(tmp_path / "cache", 1_000)
    with pytest.raises(SettingError, match=r"FAIRWIND_SITE_CACHE_MB=0\.001 allows less.*Raise"):
        small.get(transport, offered(transport, tmp_path, 2.0))
    assert kept(tmp_path / "cache") == {one.sha256}


def test_altered_bytes_are_replaced_on_disk_and_refused_from_the_wire(
    transport: FolderTransport, tmp_path: Path
) -> None:
    ref = offered(transport, tmp_path, 1.0)
    cache = FrozenCache(tmp_path / "cache", ROOM)
    cache.get(transport, ref)
    path = tmp_path / "cache" / f"{ref.sha256}.safetensors"
    spoilt = path.read_bytes()[:-4] + b"\0\0\0\0"
    path.write_bytes(spoilt)
    os.utime(path, ns=(0, 0))
    assert cache.get(transport, ref)["w"].eq(1).all()
    assert file_sha256(path) == ref.sha256

    path.unlink()
    (tmp_path / "wire" / ref.key).write_bytes(spoilt)
    with pytest.raises(TransportError):
        cache.get(transport, ref)
    assert not path.exists()
    assert not transport.has(ref)


def test_a_pull_goes_on_where_the_one_before_was_cut(
    transport: FolderTransport, tmp_path: Path
) -> None:
    ref = offered(transport, tmp_path, 1.0)
    folder = tmp_path / "cache"
    folder.mkdir()
    begun = (tmp_path / "1.0").read_bytes()[:3_000]
    (folder / f"{ref.sha256}.part").write_bytes(begun)
    cache = FrozenCache(folder, ROOM)
    assert cache.get(transport, ref)["w"].eq(1).all()
    assert cache.take_pulled_nbytes() == ref.nbytes - len(begun)
