"""The coordinator accepts the key of a site that joins: once, by the newest kit, in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from common import settings
from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.identity import Identity
from common.site_join import SiteJoin, site_join
from scheduler.federation.client import Client
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientKeyAccepted,
    ClientRetired,
    ClientRevoked,
    Payload,
)
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.joining import join_site


@dataclass(frozen=True)
class Here:
    """A coordinator in this process."""

    coordinator: Coordinator

    def tell(self, payload: Payload) -> None:
        with self.coordinator.ledger.transaction() as tx:
            tx.append(Draft(payload, client="lyon"))

    def give_kit(self, one_time: Identity, **changes: Any) -> None:
        before = {"join_before": wall_now() + timedelta(days=1), **changes}
        self.tell(ClientEnrolled(zone="FR", kit_key=one_time.public.text, **before))

    @property
    def lyon(self) -> Client:
        return self.coordinator.ledger.state().clients["lyon"]

    def accepted(self) -> list[str]:
        events = self.coordinator.ledger.events()
        payloads = [event.payload for event in events]
        return [payload.key for payload in payloads if isinstance(payload, ClientKeyAccepted)]


@pytest.fixture
def here(
    redis_client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Here]:
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    settings.load.cache_clear()
    coordinator.cache_clear()
    made = coordinator(create=True)
    yield Here(made)
    made.ledger.close()
    coordinator.cache_clear()
    settings.load.cache_clear()


def sealed(joined: SiteJoin, by: Identity, client: str = "lyon") -> Any:
    signer = Signer(f"client.{client}", by)
    envelope = signer.seal("join_site", COORDINATOR, joined, about=About(), now=wall_now())
    return envelope.model_dump(mode="json")


def refusal(here: Here, body: Any) -> tuple[str, str]:
    """Return code and reason with which a message is refused."""
    refusals = here.coordinator.joining.refusals
    before = refusals.read()
    join_site(body)
    (new,) = [each for each in refusals.read() if each not in before]
    return new.code, new.text


def test_a_key_is_accepted_by_a_kit_once(here: Here) -> None:
    one_time, site = Identity.make(), Identity.make()
    here.give_kit(one_time)
    body = sealed(site_join("lyon", site, one_time.public.text), one_time)
    join_site(body)
    assert here.lyon.key == site.public.text
    assert here.accepted() == [site.public.text]
    assert refusal(here, body)[0] == "replayed"
    # The administrator may join twice: the same key in a new message is no fault.
    join_site(sealed(site_join("lyon", site, one_time.public.text), one_time))
    assert here.accepted() == [site.public.text]
    other = sealed(site_join("lyon", Identity.make(), one_time.public.text), one_time)
    code, reason = refusal(here, other)
    assert code == "kit_used"
    assert "fairwind rotate lyon --kit FILE" in reason
    assert here.lyon.key == site.public.text


def test_a_new_kit_replaces_the_key_and_ends_the_old_kit(here: Here) -> None:
    old, new, first, second = (Identity.make() for _ in range(4))
    here.give_kit(old)
    join_site(sealed(site_join("lyon", first, old.public.text), old))
    here.give_kit(new)
    assert here.lyon.key == first.public.text, "until the site has joined with the new one"
    assert (
        refusal(here, sealed(site_join("lyon", second, old.public.text), old))[0]
        == "wrong_signature"
    )
    join_site(sealed(site_join("lyon", second, new.public.text), new))
    assert here.lyon.key == second.public.text


def test_an_expired_kit_makes_no_key_known(here: Here) -> None:
    one_time = Identity.make()
    here.give_kit(one_time, join_before=wall_now() - timedelta(seconds=1))
    body = sealed(site_join("lyon", Identity.make(), one_time.public.text), one_time)
    assert refusal(here, body)[0] == "kit_expired"
    assert here.lyon.key is None


@pytest.mark.parametrize("changed", [{"key": Identity.make().public.text}, {"client": "oslo"}])
def test_a_key_that_the_site_does_not_hold_is_refused(here: Here, changed: Any) -> None:
    one_time = Identity.make()
    here.give_kit(one_time)
    joined = site_join("lyon", Identity.make(), one_time.public.text)
    body = sealed(joined.model_copy(update=changed), one_time)
    assert refusal(here, body)[0] == "key_not_held"
    assert here.lyon.key is None


@pytest.mark.parametrize("payload", [None, ClientRevoked(), ClientRetired()])
def test_nobody_joins_without_a_kit_or_once_out(here: Here, payload: Payload | None) -> None:
    one_time = Identity.make()
    body = sealed(site_join("lyon", Identity.make(), one_time.public.text), one_time)
    if payload is not None:
        here.give_kit(one_time)
        here.tell(payload)
    assert refusal(here, body)[0] == "unknown_issuer"
    assert here.accepted() == []


def test_what_nobody_signed_is_refused(here: Here) -> None:
    assert refusal(here, {"client": "lyon"})[0] == "unsigned"
