"""What `enroll --kit` and `rotate` share: a new kit, and the event that makes it valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from common import settings as settings_
from common.clock import wall_now
from common.command_line.screen import echo
from common.errors import IdentityError, SettingError
from common.identity import Identity, load_or_make
from common.kit import Kit, KitRedis, check_free, new_one_time, write_kit
from common.redis_users import new_password, password_sha256, site_user
from common.settings import Settings
from common.settings.redis_address import RedisPlace, place_of
from common.tls import certificate_of
from scheduler.ledger.events import ClientEnrolled
from tasks.roles import coordinator_key_file

valid_days = click.option(
    "--days", "valid_days", default=7, show_default=True, type=click.IntRange(1, 365),
    help="The site must have joined by then.",
)  # fmt: skip


@dataclass(frozen=True)
class NewKit:
    """A kit that is about to be handed over.

    Attributes:
        enrolled: What the ledger says of it: no secret.
        kit: What the site gets.
        identity: Who signs it: the coordinator.
        key_is_new: Whether the coordinator had no key before.
    """

    enrolled: ClientEnrolled
    kit: Kit
    identity: Identity
    key_is_new: bool

    def write(self, path: Path) -> None:
        """Write the file. Once the ledger says so, it is worth something."""
        write_kit(path, self.kit, self.identity)


def new_kit(
    client: str, *, zone: str, num_examples: int | None, valid_days: int, path: Path
) -> NewKit:
    """Make a kit for a client; nothing is recorded or written yet.

    Raises:
        FairwindError: If there is a file at `path`, or a setting does not allow it.
    """
    check_free(path)
    ours = settings_.load()
    key_file = coordinator_key_file(ours.folder)
    key_is_new = not key_file.exists()
    place, ca = _place(ours)
    identity = load_or_make(key_file)
    password, one_time, now = new_password(), new_one_time(), wall_now()
    kit = Kit(
        client=client, zone=zone, num_examples=num_examples,
        coordinator_key=identity.public.text,
        redis=KitRedis(
            host=place.host, port=place.port, database=place.database, tls=place.tls,
            user=site_user(client), password=password, ca=ca,
        ),
        one_time_key=one_time.private, made_at=now,
        join_before=now + timedelta(days=valid_days),
    )  # fmt: skip
    enrolled = ClientEnrolled(
        zone=zone, num_examples=num_examples, redis_password_sha256=password_sha256(password),
        kit_key=one_time.public, join_before=kit.join_before,
    )  # fmt: skip
    return NewKit(enrolled, kit, identity, key_is_new)


def print_kit(made: NewKit, path: Path) -> None:
    """Print what was made, and what to do next."""
    kit = made.kit
    echo(
        f"The kit is {path}: hand it to {kit.client}'s administrator by a way that nobody else "
        "reads, and delete it here. It holds a password."
    )
    echo(
        f"At the site, before {kit.join_before:%Y-%m-%d %H:%M} UTC: fairwind site join {path.name}"
    )
    if kit.redis.host in _LOOPBACK:
        echo(
            f"It names Redis at {kit.redis.host}, which only this machine reaches. For other "
            "hosts, set FAIRWIND_KIT_REDIS_URL and make the kit again.",
            err=True,
        )
    elif not kit.redis.tls:
        echo(
            "It names Redis without TLS: whoever is on the way can read and change all that "
            "travels. See fairwind tls make.",
            err=True,
        )
    if made.key_is_new:
        echo(
            "The coordinator has its first key now. If its worker runs, restart it: until then it "
            "signs nothing.",
            err=True,
        )


_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _place(ours: Settings) -> tuple[RedisPlace, str | None]:
    """Return where sites reach Redis, and the certificate of the authority they check it with."""
    place = place_of(ours.kit_redis_url or ours.redis_url)
    if not place.tls:
        return place, None
    ca_file = place.ca_file or place_of(ours.redis_url).ca_file
    if ca_file is None:
        return place, None
    try:
        ca = Path(ca_file).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"The certificate {ca_file} that ssl_ca_certs names cannot be read ({error}), so no "
            "kit was made. Correct FAIRWIND_REDIS_URL or FAIRWIND_KIT_REDIS_URL."
        )
        raise SettingError(msg) from None
    if "PRIVATE KEY" in ca:
        msg = (
            f"{ca_file} holds a private key beside the certificate, so no kit was made with it. "
            "Let ssl_ca_certs name a file that holds certificates alone."
        )
        raise IdentityError(msg)
    certificate_of(ca.encode(), ca_file)
    return place, ca
