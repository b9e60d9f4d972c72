"""The command group `tls`: a certificate for Redis, by a small authority of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from common import settings as settings_
from common.clock import wall_now
from common.command_line.screen import echo


@click.group()
def tls() -> None:
    """Make certificates, so that what travels to Redis is encrypted and Redis is the right one."""


@tls.command()
@click.option(
    "--host", "hosts", multiple=True, required=True,
    help="Name or IP address under which sites reach Redis. Repeat it for several.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; tls in FAIRWIND_HOME if left out.",
)  # fmt: skip
def make(hosts: tuple[str, ...], out: Path | None) -> None:
    """Make a certificate for Redis, and an authority that vouches for it if there is none yet.

    Run again, it renews the certificate of Redis. The authority stays, so no site notices.
    """
    from common.tls import TlsFiles, expires_at, make_tls  # noqa: PLC0415 - loads cryptography

    files = TlsFiles((out or settings_.load().folder / "tls").absolute())
    is_new = make_tls(files, hosts, wall_now())
    until = f"{expires_at(files.server):%Y-%m-%d}"
    echo(f"{'New authority and c' if is_new else 'C'}ertificate for {', '.join(hosts)}.")
    echo(f"It is valid until {until}; the same command renews it. Restart Redis after it.")
    echo()
    echo("In redis.conf (files that the user of Redis can read, as copies of its own):")
    for line in (
        "port 0", "tls-port 6379", f"tls-cert-file {files.server}",
        f"tls-key-file {files.server_key}", f"tls-ca-cert-file {files.ca}", "tls-auth-clients no",
    ):  # fmt: skip
        echo(f"  {line}")
    echo()
    echo("In the coordinator's settings:")
    echo(
        f"  FAIRWIND_REDIS_URL=rediss://:PASSWORD@{_in_url(hosts[0])}:6379/0?ssl_ca_certs={files.ca}"
    )
    echo()
    echo(
        f"{files.ca_key} can vouch for any server: keep it from others, best off this host. Kits "
        "carry ca.crt."
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
