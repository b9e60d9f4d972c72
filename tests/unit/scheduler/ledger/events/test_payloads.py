"""Every kind of event survives being written and read, and takes nothing that does not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from common.errors import LedgerError
from scheduler.ledger.event import canonical, read_payload
from scheduler.ledger.events import (
    PAYLOADS,
    ClientEnrolled,
    GridRead,
    ManifestLine,
    Payload,
    ReadingRecord,
    RoundCommitted,
    RoundEvaluated,
    RoundPlanned,
    SignalRecovered,
)
from tests.unit.scheduler.ledger.events.values import made
from tests.unit.scheduler.story import HOUR, NOON, sha

every_kind = pytest.mark.parametrize("kind", PAYLOADS)
few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@every_kind
@few
@given(data=st.data())
def test_what_is_written_is_read_back_and_written_the_same(kind, data):
    payload = data.draw(made(PAYLOADS[kind]))
    text = canonical(payload)
    again = read_payload(1, kind, text)
    assert again == payload
    assert type(again) is type(payload)
    assert canonical(again) == text
    json.loads(text, parse_constant=pytest.fail)  # NaN or infinity


@every_kind
@few
@given(data=st.data())
def test_a_field_that_no_model_knows_is_refused(kind, data):
    body = json.loads(canonical(data.draw(made(PAYLOADS[kind]))))
    with pytest.raises(LedgerError, match=rf"^Event 7 .*{kind}.*surprise: Extra inputs"):
        read_payload(7, kind, json.dumps(body | {"surprise": 1}))


@every_kind
def test_a_body_that_is_no_object_is_refused(kind):
    for body in ("[]", "7", "null", "no JSON"):
        with pytest.raises(LedgerError, match=rf"^Event 7 .*{kind}.*ledger verify"):
            read_payload(7, kind, body)


def test_an_unknown_kind_is_refused_by_its_name():
    with pytest.raises(LedgerError, match=r"^Event 7 .*'client\.promoted'.*ledger verify"):
        read_payload(7, "client.promoted", "{}")


@every_kind
def test_kinds_are_a_noun_and_a_verb_in_the_past_and_payloads_are_frozen(kind):
    noun, _, verb = kind.partition(".")
    assert noun.isidentifier()
    assert verb.isidentifier()
    assert PAYLOADS[kind].kind == kind
    assert PAYLOADS[kind].model_config["frozen"]


def payload_classes(base: type[BaseModel]) -> set[type[BaseModel]]:
    return {base}.union(*(payload_classes(each) for each in base.__subclasses__()))


def test_no_payload_is_missing_in_the_registry():
    named = {each for each in payload_classes(Payload) if "kind" in vars(each)}
    assert named == set(PAYLOADS.values())


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_is_not_finite_is_refused_when_a_payload_is_made(figure):
    with pytest.raises(ValidationError, match="finite number"):
        RoundEvaluated(metrics={"accuracy": figure})
    with pytest.raises(ValidationError, match="finite number"):
        reading(gco2eq_per_kwh=figure)


def reading(**changes: Any) -> ReadingRecord:
    fields: dict[str, Any] = {
        "start": NOON,
        "end": NOON + HOUR,
        "gco2eq_per_kwh": 50.0,
        "source": "test",
        "family": "average, lifecycle, consumption",
        "quality": "measured",
    }
    return ReadingRecord(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start": datetime(2026, 7, 8, 12)}, "should have timezone info"),  # noqa: DTZ001 - naive
        ({"gco2eq_per_kwh": -1.0}, "greater than or equal to 0"),
        ({"gco2eq_per_kwh": "50"}, "valid number"),
        ({"quality": "guessed"}, "'measured', 'estimated'"),
        ({"family": "average"}, "should match pattern"),
        ({"unit": "lb/MWh"}, "Extra inputs"),
    ],
)
def test_a_reading_that_does_not_fit_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        reading(**changes)


def test_a_naive_time_in_the_ledger_is_refused_and_its_place_is_named():
    text = canonical(GridRead(readings={"FR": reading()})).replace("T12:00:00Z", "T12:00:00")
    with pytest.raises(LedgerError, match=r"Event 3 .*grid\.read.*readings\.FR\.start: .*timezone"):
        read_payload(3, "grid.read", text)


def test_an_instant_is_kept_in_utc_whatever_its_time_zone():
    east = timezone(timedelta(hours=9))
    here, there = (
        reading(),
        reading(start=NOON.astimezone(east), end=(NOON + HOUR).astimezone(east)),
    )
    assert here == there
    assert there.start.tzinfo is UTC
    assert canonical(GridRead(readings={"FR": here})) == canonical(GridRead(readings={"FR": there}))


def test_a_reading_is_written_without_what_is_unknown():
    kept = json.loads(canonical(GridRead(readings={"FR": reading(), "DE": None})))
    assert kept["readings"]["DE"] is None
    assert set(kept["readings"]["FR"]) == {
        "start", "end", "gco2eq_per_kwh", "source", "family", "quality",
    }  # fmt: skip
    zero = json.loads(canonical(GridRead(readings={"FR": reading(low_carbon_share=0.0)})))
    assert zero["readings"]["FR"]["low_carbon_share"] == 0.0


def test_a_line_of_a_manifest_is_checked_when_it_is_made():
    with pytest.raises(ValidationError, match="should match pattern"):
        ManifestLine("a", "no digest", 1, 1)
    line = ManifestLine("a", sha("a"), 1, 1)
    assert json.loads(canonical(RoundCommitted(manifest=(line,)))) == {
        "manifest": [{"client": "a", "sha256": sha("a"), "weight": 1, "issued": 1}],
        "divisor": None,
        "total": None,
        "latest": [],
        "controls": None,
    }


def test_figures_of_one_kind_are_not_taken_for_another():
    with pytest.raises(ValidationError, match="valid integer"):
        ClientEnrolled(zone="FR", num_examples=1.5)  # type: ignore[arg-type] # what is tested
    with pytest.raises(ValidationError, match="valid string"):
        SignalRecovered(zone="FR", active_source=None)  # type: ignore[arg-type] # what is tested
    with pytest.raises(ValidationError, match="valid tuple"):
        RoundPlanned(
            base_version=sha("v"), cohort=["a"],  # type: ignore[arg-type] # what is tested
            target=1, deadline_s=1.0, valid_until=NOON,
        )  # fmt: skip
