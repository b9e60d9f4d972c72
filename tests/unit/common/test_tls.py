"""The small authority's certificates are ones that TLS takes, for the names they were made for."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import wall_now
from common.errors import IdentityError, SettingError
from common.tls import AUTHORITY_LASTS, SERVER_LASTS, TlsFiles, expires_at, make_tls

HOSTS = ("fed.example.org", "127.0.0.1", "::1")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    files = TlsFiles(tmp_path_factory.mktemp("home") / "tls")
    assert make_tls(files, HOSTS, wall_now())
    return files


def handshake(files: TlsFiles, name: str, ca: Path) -> None:
    """Connect by TLS to a server that shows the certificate, and check it by a name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.server, files.server_key)
    client = ssl.create_default_context(cafile=ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = socket.socketpair()

    def serve() -> None:
        with there:
            try:
                server.wrap_socket(there, server_side=True).close()
            except OSError:
                there.close()  # the client does not believe it

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with here, client.wrap_socket(here, server_hostname=name):
            pass
    finally:
        thread.join()


@pytest.mark.parametrize("name", HOSTS)
def test_each_name_and_address_is_believed(files: TlsFiles, name: str) -> None:
    handshake(files, name, files.ca)


def test_another_name_is_not_believed(files: TlsFiles) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'evil"):
        handshake(files, "evil.example.org", files.ca)


def test_another_authority_of_the_same_name_is_not_believed(
    files: TlsFiles, tmp_path: Path
) -> None:
    other = TlsFiles(tmp_path)
    make_tls(other, HOSTS, wall_now())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other, "fed.example.org", files.ca)


def test_a_renewed_certificate_is_of_the_same_authority(tmp_path: Path) -> None:
    files, now = TlsFiles(tmp_path), wall_now()
    assert make_tls(files, ("fed.example.org",), now - timedelta(days=800))
    before = files.ca.read_bytes()
    assert not make_tls(files, ("fed.example.org",), now)
    assert files.ca.read_bytes() == before
    assert abs(expires_at(files.server) - (now + SERVER_LASTS)) < timedelta(seconds=2)
    handshake(files, "fed.example.org", files.ca)


def test_no_certificate_outlasts_its_authority(tmp_path: Path) -> None:
    files, now = TlsFiles(tmp_path), wall_now()
    make_tls(files, ("a",), now - AUTHORITY_LASTS + timedelta(days=10))
    make_tls(files, ("a",), now)
    assert expires_at(files.server) == expires_at(files.ca)


def test_its_files_are_for_their_owner_alone(files: TlsFiles) -> None:
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("host", ["", "fed.example.org:6379", "a b", "-a", "x" * 300, "a..b"])
def test_what_is_no_host_is_named(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is no name of a host"):
        make_tls(TlsFiles(tmp_path / "tls"), (host,), wall_now())
    assert not (tmp_path / "tls").exists()


def test_an_open_key_of_the_authority_is_not_used(tmp_path: Path) -> None:
    files = TlsFiles(tmp_path)
    make_tls(files, ("a",), wall_now())
    files.ca_key.chmod(0o644)
    with pytest.raises(IdentityError, match="chmod 600"):
        make_tls(files, ("a",), wall_now())


def test_a_key_of_another_authority_is_not_used(tmp_path: Path) -> None:
    one, two = TlsFiles(tmp_path / "one"), TlsFiles(tmp_path / "two")
    for files in (one, two):
        make_tls(files, ("a",), wall_now())
    two.ca.replace(one.ca)
    with pytest.raises(IdentityError, match="is not the private key of"):
        make_tls(one, ("a",), wall_now())
