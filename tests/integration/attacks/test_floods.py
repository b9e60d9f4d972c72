"""Floods of what a site may send: each counts for nothing, and fills neither ledger nor log."""

from __future__ import annotations

from datetime import timedelta

from common.clock import wall_now
from common.envelope import COORDINATOR as COORDINATOR_NAME
from common.envelope import About
from common.message import Message
from common.messages import Energy, Heartbeat, Reason
from scheduler.ledger.events import ClientJoined
from tasks.local.federation import COORDINATOR
from tests.integration.attacks.test_envelopes import declined
from tests.integration.attacks.waiting import start_waiting_for_odd
from tests.integration.fleet import Fleet

RUN = "attacked"
FLOOD = 150


class Junk(Message):
    """What is signed well, and is no message of ours."""

    junk: int


def refusals(fleet: Fleet, code: str) -> list[str]:
    log = fleet.log(COORDINATOR).splitlines()
    return [line for line in log if "message.refused" in line and f"code={code} " in line]


def test_signed_answers_without_end_are_recorded_a_few_times_only(fleet: Fleet) -> None:
    go = start_waiting_for_odd(fleet, RUN)
    try:
        for number in range(FLOOD):
            now = wall_now()
            receipt = declined(
                "north", incarnation=f"flood-{number}", started_at=now - timedelta(seconds=1),
                energy=Energy(energy_wh=1.0, method="rapl", quality="measured", pue=1.0),
                reason=Reason(code="x" * 40, text="y" * 600),
            )  # fmt: skip
            fleet.put("accept", "aggregation", fleet.signed(receipt))
        fleet.wait(lambda: refusals(fleet, "not_awaited"), "the answers to be refused")
        fleet.wait(lambda: not fleet.redis.llen("aggregation"), "all of them to be taken")
        assert len(fleet.events("update.late", RUN)) <= FLOOD // 4
        assert len(refusals(fleet, "not_awaited")) < FLOOD // 10
    finally:
        go.touch()
    assert fleet.wait_ended(RUN).closed[0].cohort == ("north", "odd", "west")
    go.unlink()


def test_a_worker_that_starts_without_end_fills_no_ledger(fleet: Fleet) -> None:
    def joined() -> int:
        events = fleet.events(ClientJoined.kind)
        return sum(event.client == "modest" for event in events)

    signer, before = fleet.signer("modest"), joined()
    for number in range(FLOOD):
        now = wall_now()
        beat = Heartbeat(
            client="modest", incarnation=f"flood-{number}", host="h" * 255, pid=1, at=now
        )
        sealed = signer.seal("join", COORDINATOR_NAME, beat, about=About(), now=now)
        fleet.put("join", "aggregation", sealed.model_dump(mode="json"))
    fleet.wait(lambda: refusals(fleet, "too_often"), "the greetings to be refused")
    fleet.wait(lambda: not fleet.redis.llen("aggregation"), "all of them to be taken")
    assert joined() - before < FLOOD // 3
    fleet.wait_alive("modest", "north", "west")


def test_what_is_signed_and_says_nothing_is_one_line_and_no_traceback(fleet: Fleet) -> None:
    signer = fleet.signer("west")
    for number in range(FLOOD // 3):
        for task in ("accept", "join"):
            sealed = signer.seal(
                task, COORDINATOR_NAME, Junk(junk=number), about=About(), now=wall_now()
            )
            fleet.put(task, "aggregation", sealed.model_dump(mode="json"))
    fleet.wait(lambda: len(refusals(fleet, "malformed")) >= 2, "both kinds to be refused")
    fleet.wait(lambda: not fleet.redis.llen("aggregation"), "all of them to be taken")
    assert "ValidationError" not in fleet.log(COORDINATOR)
    assert "Traceback" not in fleet.log(COORDINATOR)
