"""The folder as a transport, and which transport the settings mean."""

import os
import time

import pytest

from common.errors import SettingError, TransportError
from common.messages import BlobRef
from common.settings import Settings
from tasks.messaging.transport import FolderTransport, RedisTransport, make_transport
from tests.unit.tasks.messaging.transport_contract import TransportContract, put


@pytest.fixture
def transport(tmp_path):
    return FolderTransport(tmp_path / "shared", 600)


class TestFolderTransport(TransportContract):
    """A folder that coordinator and sites share."""


@pytest.mark.parametrize("key", ["a/../../outside", "a/../../shared2/x"])
def test_a_key_that_leaves_the_folder_is_not_followed(transport, tmp_path, key):
    (tmp_path / "outside").write_text("private")
    ref = BlobRef(key=key, sha256="0" * 64, nbytes=7)
    for attempt in (
        lambda: list(transport.chunks(ref)),
        lambda: transport.has(ref),
        lambda: transport.delete(ref),
        lambda: put(transport, tmp_path, b"mine now", key),
    ):
        with pytest.raises(TransportError, match="leaves the transport folder"):
            attempt()
    assert (tmp_path / "outside").read_text() == "private"


def test_a_link_out_of_the_folder_is_not_followed(transport, tmp_path):
    (tmp_path / "private").write_text("private")
    (tmp_path / "shared" / "update~a~r~1").symlink_to(tmp_path / "private")
    with pytest.raises(TransportError, match="leaves the transport folder"):
        list(transport.chunks(BlobRef(key="update~a~r~1", sha256="0" * 64, nbytes=7)))


def test_two_processes_share_a_folder(transport, tmp_path):
    ref = put(transport, tmp_path, b"bytes")
    assert FolderTransport(tmp_path / "shared", 600).has(ref)


def test_nothing_half_written_stays_beside_the_bytes(transport, tmp_path):
    put(transport, tmp_path, b"bytes")
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["update~a~r~1"]


def test_a_host_whose_clock_is_days_ahead_removes_nothing_that_is_in_time(
    transport, tmp_path, monkeypatch
):
    ref, real = put(transport, tmp_path, b"of another host"), time.time
    monkeypatch.setattr(time, "time", lambda: real() + 2 * 86_400)
    put(transport, tmp_path, b"ours", "update~b~r~1")
    assert transport.has(ref)


def test_what_was_not_fetched_in_time_is_removed(transport, tmp_path):
    ref = put(transport, tmp_path, b"old")
    long_ago = time.time() - 601
    os.utime(tmp_path / "shared" / ref.key, (long_ago, long_ago))
    put(transport, tmp_path, b"new", "update~b~r~1")
    assert not transport.has(ref)


def test_the_settings_choose_a_transport(tmp_path):
    assert isinstance(make_transport(Settings(transport=f"folder:{tmp_path}")), FolderTransport)
    assert isinstance(make_transport(Settings()), RedisTransport)


@pytest.mark.parametrize("text", ["", "folder", "folder:", "redis:here", "pigeon"])
def test_a_transport_that_is_none_is_refused(text):
    with pytest.raises(SettingError, match="Set it to redis, or to folder:"):
        make_transport(Settings(transport=text))


def test_whoever_may_use_the_shared_folder_may_use_what_is_in_it(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    before = os.umask(0o077)  # of every process of Fairwind
    try:
        put(FolderTransport(shared, 600), tmp_path, b"bytes", "some/folder/key")
    finally:
        os.umask(before)
    modes = [(shared / name).stat().st_mode & 0o777 for name in ("some", "some/folder/key")]
    assert modes == [0o770, 0o660]
