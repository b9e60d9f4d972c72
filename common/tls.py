"""A small certificate authority of one's own, and the certificate it gives to Redis.

X.509 as in RFC 5280, keys on the curve P-256, which every TLS library takes. Files are PEM, and
those with a private key are for their owner alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.errors import IdentityError, SettingError
from common.private_files import write_private

AUTHORITY_LASTS = timedelta(days=3653)
"""Ten years: a new authority means a new kit for each site."""

SERVER_LASTS = timedelta(days=825)
"""A new certificate of the same authority changes nothing at the sites. Some TLS libraries take
none that lasts longer."""

_CLOCKS_DIFFER_BY = timedelta(days=1)

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")


@dataclass(frozen=True)
class TlsFiles:
    """The files of an authority and of the server's certificate, in one folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate, which is no secret: sites check with it."""
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """The authority's private key: whoever has it can pass for Redis."""
        return self.folder / "ca.key"

    @property
    def server(self) -> Path:
        """The certificate of Redis."""
        return self.folder / "redis.crt"

    @property
    def server_key(self) -> Path:
        """The private key of Redis."""
        return self.folder / "redis.key"


def make_tls(files: TlsFiles, hosts: tuple[str, ...], now: datetime) -> bool:
    """Make the certificate of Redis, and the authority if there is none yet.

    Args:
        files: Where to.
        hosts: Names and IP addresses under which Redis is reached, one at least.
        now: The wall clock.

    Returns:
        Whether the authority is new.

    Raises:
        SettingError: If a host is no name and no address.
        IdentityError: If a file cannot be read or written.
    """
    names = [_name_of(host) for host in hosts]
    try:
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not files.ca_key.exists()
        if is_new:
            key, authority = _authority(now)
            write_private(files.ca_key, _pem(key))
            write_private(files.ca, authority.public_bytes(serialization.Encoding.PEM))
        key, authority = _load(files)
        server_key, server = _server(key, authority, names, now)
        write_private(files.server_key, _pem(server_key))
        write_private(files.server, server.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        msg = (
            f"{error.filename or files.folder} cannot be written ({error.strerror}), so there is "
            "no certificate. Let this user write there, or name another folder with --out."
        )
        raise IdentityError(msg) from None
    return is_new


def expires_at(certificate: Path) -> datetime:
    """Return until when the first certificate of a file is valid.

    Raises:
        IdentityError: If it holds none.
    """
    return certificate_of(_bytes_of(certificate), str(certificate)).not_valid_after_utc


def certificate_of(pem: bytes, shown: str) -> x509.Certificate:
    """Return the first certificate of a PEM text; `shown` names it in errors.

    Raises:
        IdentityError: If it holds none.
    """
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        msg = (
            f"{shown} holds no certificate, so Redis cannot be checked with it. Name a file in "
            "PEM, which begins with -----BEGIN CERTIFICATE-----."
        )
        raise IdentityError(msg) from None


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or not _HOST.fullmatch(host):  # noqa: PLR2004 - RFC 1035
        msg = (
            f"{host[:80]!r} is no name of a host and no IP address, so no certificate was made. "
            "Give what stands in the sites' address of Redis, without a port."
        )
        raise SettingError(msg)
    return x509.DNSName(host)


def _authority(now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fairwind authority")])
    made = (
        _begun(name, name, key.public_key(), now, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return key, made.sign(key, hashes.SHA256())


def _server(
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    names: list[x509.GeneralName],
    now: datetime,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fairwind Redis")])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    lasts = min(SERVER_LASTS, ca.not_valid_after_utc - now)
    made = (
        _begun(name, ca.subject, key.public_key(), now, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer, critical=False)
    )
    return key, made.sign(ca_key, hashes.SHA256())


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    begins = (now - _CLOCKS_DIFFER_BY).astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after((now + lasts).astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _load(files: TlsFiles) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    if files.ca_key.stat().st_mode & 0o077:
        msg = (
            f"Other users of this machine can use the private key {files.ca_key}, so no "
            f"certificate was made. Close the file: chmod 600 {files.ca_key}. If somebody may have "
            "copied it, remove the folder and make all of it new, the sites' kits included."
        )
        raise IdentityError(msg)
    try:
        key = serialization.load_pem_private_key(_bytes_of(files.ca_key), password=None)
    except (ValueError, TypeError):
        key = None
    certificate = certificate_of(_bytes_of(files.ca), str(files.ca))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or (
        key.public_key() != certificate.public_key()
    ):
        msg = (
            f"{files.ca_key} is not the private key of {files.ca}, so no certificate was made. "
            "Restore both from one back-up, or name another folder with --out."
        )
        raise IdentityError(msg)
    return key, certificate


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = (
            f"{path} cannot be read ({error.strerror}), so nothing can be checked with it. Correct "
            "its name or its mode."
        )
        raise IdentityError(msg) from None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
