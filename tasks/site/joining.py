"""How a site joins by its kit: what is checked, what is kept at the site, what is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4

import redis
from pydantic import AwareDatetime, Field, ValidationError

from common import settings as settings_
from common.clock import wall_now
from common.envelope import Signer
from common.errors import BrokerError, KitError, SettingError
from common.files import sync
from common.identity import Identity, load_or_make
from common.key_patterns import PUBLIC_KEY_PATTERN
from common.kit import Kit
from common.message import Message
from common.private_files import write_private
from common.settings import Settings
from common.settings.config_edit import write_settings
from common.settings.config_file import NAME as SETTINGS_FILE
from common.settings.names import CONFIG, in_environment, variable
from common.site_join import site_join
from common.tls import certificate_of
from tasks.messaging.broker import broker_error, connect_once
from tasks.messaging.queues import batch, queue, send
from tasks.roles import SITE_PREFIX, coordinator_key_file, site_key_file


class JoinedBy(Message):
    """By which kit a site joined last, as it keeps that.

    Attributes:
        kit_key: The public half of the kit's one-time key.
        key: The public key that the site made for it.
    """

    kit_key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    key: str = Field(pattern=PUBLIC_KEY_PATTERN)
    joined_at: AwareDatetime


@dataclass(frozen=True)
class Joined:
    """What has become of a site that joined.

    Attributes:
        key: The public key that it signs with.
        key_file: Where the private half stays.
        settings_file: Where its settings are.
        again: Whether it had joined by this kit before.
        replaced: Whether it has a new key in place of another one.
    """

    key: str
    key_file: Path
    settings_file: Path
    again: bool
    replaced: bool


class SiteHome:
    """The files of a site in FAIRWIND_HOME that a kit decides.

    Raises:
        KitError: If the home is not for this kit's site.
    """

    def __init__(self, settings: Settings, kit: Kit) -> None:
        self._home = settings.folder
        self._kit = kit
        self.key = site_key_file(self._home, kit.client)
        self.ca = self.key.parent / "ca.crt"
        self.settings = settings_.settings_file() or self._home / SETTINGS_FILE
        self._record = self.key.parent / "kit.json"
        self._check(settings)

    def joined_by(self) -> JoinedBy | None:
        """Return by which kit the site joined last; `None` if by none, or that is unreadable."""
        try:
            return JoinedBy.model_validate_json(self._record.read_bytes())
        except (OSError, ValidationError):
            return None

    def remember(self, joined: JoinedBy) -> None:
        """Keep by which kit the site joined."""
        write_private(self._record, joined.model_dump_json().encode())

    def keep_ca(self, ca: str) -> None:
        """Keep the certificate of the authority that Redis is checked with."""
        write_private(self.ca, ca.encode())

    def _check(self, settings: Settings) -> None:
        kit = self._kit
        if (self._home / "ledger.sqlite").exists() or coordinator_key_file(self._home).exists():
            what = "is a coordinator's folder, in which no site can join"
        elif others := self._others():
            what = f"is the folder of {', '.join(others)}, and this kit is for {kit.client}"
        elif settings.coordinator_key not in (None, kit.coordinator_key):
            what = (
                f"takes work that {settings.coordinator_key} signed, and this kit is of another "
                f"coordinator, {kit.coordinator_key}"
            )
        else:
            _check_environment()
            return
        msg = (
            f"{self._home} {what}, so nothing was done. Set FAIRWIND_HOME to a folder of "
            f"{kit.client}'s own."
        )
        raise KitError(msg)

    def _others(self) -> list[str]:
        sites = self.key.parent.parent
        kept = sites.iterdir() if sites.is_dir() else ()
        return sorted(path.name for path in kept if path.name != self._kit.client)


def join(kit: Kit) -> Joined:
    """Join: check home and Redis, make the key, write the settings, and send the new key.

    To join by the same kit again is harmless: the key stays as it is, and is sent again.

    Raises:
        FairwindError: If home, kit or Redis do not allow it; nothing was changed then.
    """
    ours = settings_.load()
    home = SiteHome(ours, kit)
    before, kit_key = home.joined_by(), kit.one_time.public.text
    again = before is not None and before.kit_key == kit_key and home.key.exists()
    if not again and kit.is_expired(wall_now()):
        raise KitError(_expired(kit))
    _check_redis(ours, kit)
    # One that was made here before any kit has left no other machine, either.
    replaced = before is not None and not again
    identity = _new_identity(home.key) if replaced else load_or_make(home.key)
    if kit.redis.ca is not None:
        home.keep_ca(kit.redis.ca)
    address = kit.redis.address(home.ca if kit.redis.ca is not None else None)
    write_settings(home.settings, {"redis_url": address, "coordinator_key": kit.coordinator_key})
    home.remember(JoinedBy(kit_key=kit_key, key=identity.public.text, joined_at=wall_now()))
    signer = Signer(f"{SITE_PREFIX}{kit.client}", kit.one_time)
    with batch(address) as through:
        send(
            "join_site", queue("aggregation"), site_join(kit.client, identity, kit_key),
            shown=kit.client, signer=signer, through=through,
        )  # fmt: skip
    return Joined(identity.public.text, home.key, home.settings, again=again, replaced=replaced)


def _check_environment() -> None:
    """Check that the settings which a kit brings will count.

    Raises:
        SettingError: If the environment would win over the file.
    """
    stronger = [variable(name) for name in ("redis_url", "coordinator_key") if in_environment(name)]
    if os.environ.get(CONFIG) == os.devnull:
        stronger.append(f"{CONFIG}={os.devnull}")
    if stronger:
        msg = (
            f"{' and '.join(stronger)} in the environment would win over what the kit brings, so "
            f"nothing was done. Remove it from there, and run the command again."
        )
        raise SettingError(msg)


def _check_redis(ours: Settings, kit: Kit) -> None:
    """Check that Redis answers the site's user, under the certificate that it must have.

    Raises:
        BrokerError: If not.
    """
    with _ca_file(kit) as ca_file:
        address = kit.redis.address(ca_file)
        client = connect_once(ours.model_copy(update={"redis_url": address}))
        try:
            client.ping()
        except redis.AuthenticationError:
            msg = (
                f"Redis at {kit.redis.place} does not know the user {kit.redis.user} with the "
                "kit's password, so the site has not joined and nothing was changed. Use the "
                "newest kit; if it is, let the coordinator's operator see whether the coordinator "
                "runs, which makes the user."
            )
            raise BrokerError(msg) from None
        except redis.RedisError as error:
            text = str(broker_error(error)).removeprefix("Redis ")
            msg = f"Nothing was changed: Redis at {kit.redis.place} {text}"
            raise BrokerError(msg) from None
        finally:
            client.close()


@contextmanager
def _ca_file(kit: Kit) -> Iterator[Path | None]:
    """Hold a kit's certificate in a file; none is kept before all is checked."""
    if kit.redis.ca is None:
        yield None
        return
    certificate_of(kit.redis.ca.encode(), "the kit")
    with NamedTemporaryFile(suffix=".crt") as file:
        file.write(kit.redis.ca.encode())
        file.flush()
        yield Path(file.name)


def _new_identity(path: Path) -> Identity:
    """Put a new key in place of the one that the site had."""
    identity = Identity.make()
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    identity.save(partial)
    partial.replace(path)
    sync(path.parent)
    return identity


def _expired(kit: Kit) -> str:
    return (
        f"The kit of {kit.client} was to be used before {kit.join_before:%Y-%m-%d %H:%M} UTC, so "
        "nothing was done. Let the coordinator's operator make a new one: "
        f"fairwind rotate {kit.client} --kit FILE"
    )
