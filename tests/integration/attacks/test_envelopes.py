"""Forged and replayed messages of a running federation: each is refused, and shows as one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from common.clock import GridClock, wall_now
from common.envelope import COORDINATOR as COORDINATOR_NAME
from common.envelope import About, Signer
from common.hyperparameters import Hyperparameters
from common.identity import Identity
from common.messages import Assignment, BlobRef, Heartbeat, Receipt
from tasks.local.federation import COORDINATOR, site_name
from tests.integration.attacks.waiting import start_waiting_for_odd
from tests.integration.fleet import Fleet, assert_accounted_for

RUN = "attacked"


@pytest.fixture(scope="module")
def attacked(fleet: Fleet) -> Iterator[Fleet]:
    """A run whose only round waits for odd until the attacks are over; then it ends well."""
    go = start_waiting_for_odd(fleet, RUN)
    before = len(fleet.events("update.accepted", RUN))
    yield fleet
    assert len(fleet.events("update.accepted", RUN)) == before
    go.touch()
    assert fleet.wait_ended(RUN).closed[0].cohort == ("north", "odd", "west")
    assert_accounted_for(fleet, RUN)
    go.unlink()


def declined(client: str, **fields: Any) -> Receipt:
    """Return a receipt that would settle a client's assignment, if it were believed."""
    now = wall_now()
    return Receipt(
        run=RUN, round=1, client=client, attempt=0, outcome="failed", started_at=now, ended_at=now,
        sent_at=now, incarnation="forged",
    ).model_copy(update=fields)  # fmt: skip


def assert_refused(fleet: Fleet, process: str, code: str, *, issuer: str, task: str) -> None:
    """Check that a process says in one line that it refused a message, and works on."""
    words = ("message.refused", f"code={code} ", f"issuer={issuer} ", f"task={task} ")

    def lines() -> list[str]:
        return [
            line
            for line in fleet.log(process).splitlines()
            if all(word in f"{line} " for word in words)
        ]

    fleet.wait(lines, f"a refusal of {task} by {process} as {code}")
    assert "Traceback" not in "".join(lines())


# --- to the coordinator -----------------------------------------------------------------------


def test_a_receipt_that_nobody_signed(attacked: Fleet) -> None:
    attacked.put("accept", "aggregation", declined("odd").model_dump(mode="json"))
    assert_refused(attacked, COORDINATOR, "unsigned", issuer="unknown", task="accept")


def test_a_receipt_in_the_name_of_another_site(attacked: Fleet) -> None:
    as_odd = Signer("client.odd", attacked.signer("north").identity)
    attacked.put("accept", "aggregation", attacked.signed(declined("odd"), by=as_odd))
    assert_refused(attacked, COORDINATOR, "wrong_signature", issuer="client.odd", task="accept")


def test_a_receipt_of_another_site_under_an_own_signature(attacked: Fleet) -> None:
    north = attacked.signer("north")
    attacked.put("accept", "aggregation", attacked.signed(declined("odd"), by=north))
    assert_refused(attacked, COORDINATOR, "other_client", issuer="client.north", task="accept")


def test_a_receipt_signed_with_a_key_that_nobody_enrolled(attacked: Fleet) -> None:
    stranger = Signer("client.stranger", Identity.make())
    attacked.put("accept", "aggregation", attacked.signed(declined("odd"), by=stranger))
    assert_refused(attacked, COORDINATOR, "unknown_issuer", issuer="unknown", task="accept")


def test_a_receipt_whose_header_was_changed(attacked: Fleet) -> None:
    body = attacked.signed(declined("west"))
    body["header"]["attempt"] = 1
    attacked.put("accept", "aggregation", body)
    assert_refused(attacked, COORDINATOR, "wrong_signature", issuer="client.west", task="accept")


def test_a_receipt_whose_payload_was_changed(attacked: Fleet) -> None:
    body = attacked.signed(declined("odd"))
    body["payload"] = body["payload"].replace("forged", "genuin")
    attacked.put("accept", "aggregation", body)
    assert_refused(attacked, COORDINATOR, "other_payload", issuer="client.odd", task="accept")


def test_a_receipt_that_is_for_somebody_else(attacked: Fleet) -> None:
    sealed = attacked.signer("odd").seal(
        "accept", "client.west", declined("odd"), about=About(), now=wall_now()
    )
    attacked.put("accept", "aggregation", sealed.model_dump(mode="json"))
    assert_refused(attacked, COORDINATOR, "other_audience", issuer="client.odd", task="accept")


def test_a_receipt_that_has_expired(attacked: Fleet) -> None:
    sealed = attacked.signer("odd").seal(
        "accept", COORDINATOR_NAME, declined("odd"), about=About(),
        now=wall_now() - timedelta(days=9),
    )  # fmt: skip
    attacked.put("accept", "aggregation", sealed.model_dump(mode="json"))
    assert_refused(attacked, COORDINATOR, "expired", issuer="client.odd", task="accept")


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"run": "another"}, "other_work"),
        ({"plan_hash": "0" * 64}, "other_plan"),
        ({"model_hash": "0" * 64}, "other_model"),
    ],
)
def test_a_receipt_that_answers_something_else(attacked: Fleet, about, code) -> None:
    attacked.put("accept", "aggregation", attacked.signed(declined("odd"), **about))
    assert_refused(attacked, COORDINATOR, code, issuer="client.odd", task="accept")


def test_a_receipt_that_is_sent_again_adds_nothing_to_the_ledger(attacked: Fleet) -> None:
    body = attacked.signed(declined("north"))
    attacked.put("accept", "aggregation", body)
    attacked.wait(lambda: attacked.events("update.late", RUN), "the answer after the answer")
    attacked.put("accept", "aggregation", body)
    assert_refused(attacked, COORDINATOR, "replayed", issuer="client.north", task="accept")
    assert len(attacked.events("update.late", RUN)) == 1


def test_a_message_under_the_name_of_another_task(attacked: Fleet) -> None:
    attacked.put("join", "coordinator", attacked.signed(declined("odd")))
    assert_refused(attacked, COORDINATOR, "other_task", issuer="client.odd", task="join")


def test_a_check_of_a_run_that_a_site_sends(attacked: Fleet) -> None:
    sealed = attacked.signer("odd").seal(
        "check_run", COORDINATOR_NAME, declined("odd"), about=About(), now=wall_now()
    )
    attacked.put("check_run", "coordinator", sealed.model_dump(mode="json"))
    assert_refused(
        attacked, COORDINATOR, "not_the_coordinator", issuer="client.odd", task="check_run"
    )


def test_a_heartbeat_for_another_site(attacked: Fleet) -> None:
    forged = Heartbeat(
        client="odd", incarnation="forged", host="elsewhere", pid=1, at=wall_now(), paused=True
    )
    north = Signer("client.odd", attacked.signer("north").identity)
    sealed = north.seal("heartbeat", COORDINATOR_NAME, forged, about=About(), now=wall_now())
    texts = [forged.model_dump_json().encode(), sealed.model_dump_json().encode()]
    for text in texts:
        attacked.redis.set("fairwind:client:odd", text, ex=20)
        attacked.wait(
            lambda: attacked.redis.get("fairwind:client:odd") not in texts,
            "odd's own heartbeat",
        )
    odd = attacked.state().clients["odd"]
    assert odd.alive
    assert not odd.paused
    assert odd.incarnation != "forged"
    assert attacked.local.processes.pid(site_name("odd"))


def test_status_shows_what_was_refused(attacked: Fleet) -> None:
    attacked.put("accept", "aggregation", {"client": "odd"})
    shown = json.loads(attacked.local.fairwind("status", "--json").stdout)
    assert "unsigned" in {each["code"] for each in shown["refused"]}
    assert "refused: " in attacked.local.fairwind("status").stdout


# --- to a site --------------------------------------------------------------------------------


def assignment(client: str = "west") -> Assignment:
    now = wall_now()
    return Assignment(
        run=RUN, round=1, client=client, attempt=9, workload="digits",
        hyperparameters=Hyperparameters(), model=BlobRef(key="m", sha256="0" * 64, nbytes=1),
        seed=0, clock=GridClock(), issued_at=now, sent_at=now,
        valid_until=now - timedelta(hours=1), intensity_gco2eq_per_kwh=None,
    )  # fmt: skip


def sealed(signer: Signer, to: str = "client.west", **shift: float) -> Any:
    now = wall_now() + timedelta(**shift)
    return signer.seal("train", to, assignment(), about=About(run=RUN), now=now).model_dump(
        mode="json"
    )


def test_work_that_the_coordinator_did_not_sign(attacked: Fleet) -> None:
    attacked.put("train", "client.west", assignment().model_dump(mode="json"))
    assert_refused(attacked, site_name("west"), "unsigned", issuer="unknown", task="train")


def test_work_in_the_name_of_the_coordinator(attacked: Fleet) -> None:
    forger = Signer(COORDINATOR_NAME, attacked.signer("north").identity)
    attacked.put("train", "client.west", sealed(forger))
    assert_refused(
        attacked, site_name("west"), "wrong_signature", issuer="coordinator", task="train"
    )


def test_work_that_another_site_signed(attacked: Fleet) -> None:
    attacked.put("train", "client.west", sealed(attacked.signer("north")))
    assert_refused(attacked, site_name("west"), "unknown_issuer", issuer="unknown", task="train")


def test_work_that_is_for_another_site(attacked: Fleet) -> None:
    attacked.put("train", "client.west", sealed(attacked.coordinator_signer(), "client.odd"))
    assert_refused(
        attacked, site_name("west"), "other_audience", issuer="coordinator", task="train"
    )


def test_work_whose_payload_was_changed(attacked: Fleet) -> None:
    body = sealed(attacked.coordinator_signer())
    body["payload"] = body["payload"].replace("digits", "stigid")
    attacked.put("train", "client.west", body)
    assert_refused(attacked, site_name("west"), "other_payload", issuer="coordinator", task="train")


def test_work_of_last_week(attacked: Fleet) -> None:
    attacked.put("train", "client.west", sealed(attacked.coordinator_signer(), days=-9))
    assert_refused(attacked, site_name("west"), "expired", issuer="coordinator", task="train")


def test_work_that_is_sent_again_is_not_done_again(attacked: Fleet) -> None:
    body = sealed(attacked.coordinator_signer())  # it comes too late, so the site declines it
    attacked.put("train", "client.west", body)
    attacked.wait(
        lambda: f"declined {RUN} round 1" in attacked.log(site_name("west")), "the first answer"
    )
    attacked.put("train", "client.west", body)
    assert_refused(attacked, site_name("west"), "replayed", issuer="coordinator", task="train")


def test_advice_that_a_stranger_wrote(attacked: Fleet) -> None:
    attacked.put("advise", "client.west", {"client": "west", "card": "# Pay me", "figures": {}})
    assert_refused(attacked, site_name("west"), "unsigned", issuer="unknown", task="advise")
    path = attacked.local.folder / "sites" / "west" / "advice" / "west.md"
    assert not path.exists() or "Pay me" not in path.read_text()
