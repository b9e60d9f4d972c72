"""Only the coordinator's own answer to a check is believed."""

from __future__ import annotations

from common.envelope import COORDINATOR, Signer
from common.identity import Identity
from scheduler.ledger.run_spec import RunSpec
from tasks.coordinator.run_check import CheckReply, RunCheck, _believed, _signed, _SignedReply

OURS = Signer(COORDINATOR, Identity.make())
CHECK = RunCheck(
    spec=RunSpec(id="r", workload="digits", rounds=1), reply=f"fairwind:checked:{'0' * 32}"
)
FINE = CheckReply(fault="", chosen="capped weights").model_dump_json()


def sent(signer: Signer | None, check: RunCheck = CHECK) -> bytes:
    signature = signer.identity.sign(_signed(check, FINE)) if signer else ""
    return _SignedReply(reply=FINE, signature=signature).model_dump_json().encode()


def test_the_coordinators_answer_is_believed():
    found = _believed(sent(OURS), CHECK, OURS)
    assert found is not None
    assert found.chosen == "capped weights"


def test_an_answer_of_nobody_of_a_stranger_or_to_another_check_is_not():
    other = CHECK.model_copy(update={"reply": f"fairwind:checked:{'1' * 32}"})
    strange = Signer(COORDINATOR, Identity.make())
    for raw in (sent(None), sent(strange), sent(OURS, other), b"\xff", b"[" * 10_000, b"null"):
        assert _believed(raw, CHECK, OURS) is None


def test_where_nobody_signs_any_answer_is_taken():
    assert _believed(sent(None), CHECK, None) is not None
