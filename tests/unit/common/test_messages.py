"""Messages are small, frozen, and refuse at the border what nobody could handle behind it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.clock import GridClock
from common.hyperparameters import Hyperparameters
from common.message import Message
from common.messages import (
    Assignment,
    BlobRef,
    Energy,
    Heartbeat,
    Reason,
    Receipt,
    Timings,
    read_receipt,
)

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
REF = BlobRef(key="update~a~r~1", sha256="0" * 64, nbytes=8)


def receipt(**changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "attempt": 0, "outcome": "trained", "update": REF,
        "started_at": NOON, "ended_at": NOON, "sent_at": NOON, "incarnation": "i",
    }  # fmt: skip
    return Receipt(**(fields | changes))


def assignment(**changes: Any) -> Assignment:
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "attempt": 0, "workload": "digits",
        "hyperparameters": Hyperparameters(), "model": REF, "seed": 7, "clock": GridClock(),
        "issued_at": NOON, "sent_at": NOON, "valid_until": NOON, "intensity_gco2eq_per_kwh": 50.0,
    }  # fmt: skip
    return Assignment(**(fields | changes))


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    utility=st.none() | finite,
    metrics=st.dictionaries(st.text(max_size=9), finite, max_size=5),
    num_examples=st.integers(0, 2**40 - 1),
    energy_wh=st.floats(0, 1e9),
    text=st.text(max_size=600),
)
def test_a_receipt_is_the_same_after_a_way_through_json(
    utility, metrics, num_examples, energy_wh, text
):
    sent = receipt(
        utility=utility,
        metrics=metrics,
        num_examples=num_examples,
        energy=Energy(energy_wh=energy_wh, method="rapl", quality="measured", pue=1.2),
        reason=Reason(code="x", text=text),
        timings=Timings(train_s=1.5),
    )
    assert Receipt.model_validate_json(sent.model_dump_json()) == sent


def test_an_assignment_is_the_same_after_a_way_through_json():
    sent = assignment(clock=GridClock(wall_start=NOON, grid_start=NOON, speed=60.0))
    assert Assignment.model_validate_json(sent.model_dump_json()) == sent


@pytest.mark.parametrize("kind", Message.__subclasses__())
def test_every_message_is_frozen_and_refuses_what_it_does_not_know(kind):
    assert kind.model_config["frozen"]
    assert kind.model_config["extra"] == "forbid"


def test_a_message_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        receipt().client = "mallory"  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": float("nan")},
        {"utility": float("inf")},
        {"metrics": {"accuracy": float("nan")}},
        {"timings": {"train_s": float("inf")}},
        {"metrics": {str(i): 0.0 for i in range(33)}},
        {"num_examples": -1},
        {"num_examples": 2**40},
        {"round": 0},
        {"client": "../a"},
        {"client": ""},
        {"client": "a\n"},
        {"run": "r" * 65},
        {"outcome": "tired"},
        {"started_at": datetime(2026, 7, 8)},  # noqa: DTZ001 - naive, that is the point
        {"reason": {"code": "x", "text": "y" * 601}},
        {"tensor": [1.0]},
        {"energy": {"energy_wh": -1.0, "method": "m", "quality": "measured", "pue": 1.0}},
        {"energy": {"energy_wh": 1.0, "method": "m", "quality": "measured", "pue": 0.5}},
    ],
)
def test_a_receipt_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        receipt(**changes)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", ".hidden", "a b", "a\n", "k" * 257])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValidationError):
        BlobRef(key=key, sha256="0" * 64, nbytes=1)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_a_digest_that_is_none_is_refused(sha256):
    with pytest.raises(ValidationError):
        BlobRef(key="k", sha256=sha256, nbytes=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"epochs": 0},
        {"batch_size": 0},
        {"momentum": 1.0},
        {"weight_decay": float("nan")},
        {"optimizer": "magic"},
    ],
)
def test_hyperparameters_that_cannot_train_are_refused(changes):
    with pytest.raises(ValidationError):
        Hyperparameters(**changes)


def test_a_heartbeat_is_small():
    beat = Heartbeat(
        client="a" * 64, incarnation="i" * 64, host="h" * 255, pid=2**22, busy="r" * 64 + "/9999",
        at=NOON + timedelta(microseconds=1), policy="0" * 12,
    )  # fmt: skip
    assert len(beat.model_dump_json()) < 1000


def test_a_receipt_of_another_version_is_a_failure_that_says_so():
    body = receipt().model_dump(mode="json") | {"mood": "good"}
    read = read_receipt(body)
    assert (read.run, read.round, read.client, read.attempt) == ("r", 1, "a", 0)
    assert (read.outcome, read.update) == ("failed", None)
    assert read.reason is not None
    assert read.reason.code == "other_version"
    assert "(mood: Extra inputs are not permitted)" in read.reason.text
    assert read_receipt(receipt().model_dump(mode="json")) == receipt()


@pytest.mark.parametrize("body", [None, [], {}, {"run": "r", "round": 1, "client": "../a"}])
def test_what_answers_nothing_is_no_receipt(body):
    with pytest.raises(ValidationError):
        read_receipt(body)
