"""The gate opens where and when it is clean, starves nobody, and never crosses the ceiling."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.signals.typical_day import TypicalDay
from scheduler.carbon.week import week_of
from scheduler.gate.gate import Gate, GateRule
from scheduler.gate.judge import ZoneJudge
from scheduler.gate.sentence import _SENTENCES, explain
from scheduler.ledger.event import canonical
from scheduler.ledger.events.gate import Code, GateChanged, State

NOW = datetime(2026, 7, 8, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RULE = GateRule(
    threshold_gco2eq_per_kwh=200.0,
    ceiling_gco2eq_per_kwh=1000.0,
    patience=3 * DAY,
    dwell=timedelta(minutes=30),
)


def at(value: float, *, hours_ago: int = 0, **changes) -> Reading:
    start = NOW.replace(minute=0) - hours_ago * HOUR
    fields: dict[str, Any] = {
        "zone": "DE",
        "start": start,
        "end": start + HOUR,
        "gco2eq_per_kwh": value,
        "source": "test",
        "family": FLOW_TRACED,
        "quality": "measured",
    }
    return Reading(**(fields | changes))


# 24 hours from 300 to 530: q30 = 300 + 0.3 * 230 = 369, q50 = 300 + 0.5 * 230 = 415.
HISTORY = [at(300.0 + 10 * i, hours_ago=i + 1) for i in range(24)]


def gate(state: State, *, ago: timedelta = DAY, reason: Code = "between") -> Gate:
    return Gate(state=state, since=NOW - ago, reason=reason, numbers={})


def decide(before=None, intensity: float | None = None, history=HISTORY, **changes) -> Gate:
    arguments: dict[str, Any] = {
        "rule": RULE,
        "now": NOW,
        "waiting_since": NOW - HOUR,
        "patience_allowed": True,
    }
    reading = None if intensity is None else at(intensity)
    week = week_of(reading, history, NOW) if reading else {}
    arguments |= changes
    waiting_since = arguments.pop("waiting_since")
    return ZoneJudge(reading, week, **arguments).gate(before, waiting_since)


@pytest.mark.parametrize(
    ("intensity", "state", "reason"),
    [
        (0.0, "open", "below_threshold"),
        (200.0, "open", "below_threshold"),
        (200.1, "open", "clean_for_zone"),
        (368.9, "open", "clean_for_zone"),
        (369.1, "closed", "between"),
        (415.0, "closed", "between"),
        (415.1, "closed", "above_threshold"),
        (1000.1, "closed", "above_ceiling"),
    ],
)
def test_a_first_gate_opens_at_the_threshold_or_the_zones_cleanest_30_percent(
    intensity, state, reason
):
    first = decide(None, intensity)
    assert (first.state, first.reason, first.since) == (state, reason, NOW)


def test_an_open_gate_stays_open_until_above_the_median():
    assert decide(gate("open"), 415.0).state == "open"
    assert decide(gate("open"), 415.1).state == "closed"


def test_a_closed_gate_stays_closed_until_within_the_cleanest_30_percent():
    assert decide(gate("closed"), 415.0).state == "closed"
    assert decide(gate("closed"), 368.9).state == "open"


def test_a_state_that_lasts_keeps_the_time_it_began():
    assert decide(gate("open"), 100.0).since == NOW - DAY
    assert decide(gate("open"), 500.0).since == NOW


@pytest.mark.parametrize("before", ["open", "closed"])
def test_a_gate_that_just_changed_keeps_its_state(before):
    against = 500.0 if before == "open" else 100.0
    young = decide(gate(before, ago=timedelta(minutes=29)), against)
    assert (young.state, young.reason) == (before, "dwell")
    assert young.since == NOW - timedelta(minutes=29)
    assert decide(gate(before, ago=timedelta(0)), against).state == before
    assert decide(gate(before, ago=timedelta(minutes=30)), against).state != before


def test_dwell_ends_where_the_ceiling_is_crossed():
    crossed = decide(gate("open", ago=timedelta(minutes=1)), 1000.1)
    assert (crossed.state, crossed.reason) == ("closed", "above_ceiling")


def test_a_clock_that_was_set_back_does_not_hold_a_gate():
    assert decide(gate("closed", ago=-DAY), 100.0).state == "open"


def test_no_reading_is_unknown_whatever_was_before():
    for before in (None, gate("open", ago=HOUR / 60), gate("closed"), gate("open_by_patience")):
        unknown = decide(before, None)
        assert (unknown.state, unknown.reason, unknown.since) == ("unknown", "no_reading", NOW)
        assert "intensity_gco2eq_per_kwh" not in unknown.numbers


def test_unknown_lasts_since_it_began_and_ends_without_dwell():
    assert decide(gate("unknown"), None).since == NOW - DAY
    assert decide(gate("unknown", ago=timedelta(minutes=1)), 100.0).state == "open"


@pytest.mark.parametrize(
    ("minutes", "state"), [(-31, "unknown"), (-30, "open"), (29, "open"), (30, "unknown")]
)
def test_a_reading_counts_only_in_its_own_hour(minutes, state):
    # The reading holds from 12:00 to 13:00, and NOW is 12:30.
    assert decide(gate("open"), 100.0, now=NOW + timedelta(minutes=minutes)).state == state
    late = decide(gate("open"), 100.0, now=NOW + HOUR)
    assert late.reason == "stale_reading"
    assert late.numbers == {}


def test_with_less_than_a_day_of_history_the_threshold_decides_alone():
    assert decide(None, 300.0, HISTORY[:23]).reason == "above_threshold"
    assert decide(gate("open"), 201.0, []).state == "closed"
    assert decide(None, 200.0, []).state == "open"
    assert decide(None, 300.0, HISTORY).state == "open"


@pytest.mark.parametrize(
    "changes",
    [{"family": replace(FLOW_TRACED, kind="marginal")}, {"source": "static"}, {"zone": "FR"}],
)
def test_history_of_another_family_source_or_zone_is_left_out(changes):
    other = [replace(r, **changes) for r in HISTORY]
    assert decide(None, 300.0, other).reason == "above_threshold"


def test_history_older_than_a_week_or_yet_to_come_is_left_out():
    shifts = (timedelta(days=8), timedelta(days=-2))
    for shift in shifts:
        other = [replace(r, start=r.start - shift, end=r.end - shift) for r in HISTORY]
        assert decide(None, 300.0, other).reason == "above_threshold"


def test_a_flat_week_tells_no_hour_from_another():
    flat = [at(819.2, hours_ago=i + 1) for i in range(168)]
    assert decide(None, 819.2, flat).reason == "above_threshold"


def test_patience_spent_opens_for_one_exception_within_the_budget():
    long_ago = NOW - 3 * DAY
    spent = decide(gate("closed"), 500.0, waiting_since=long_ago)
    assert (spent.state, spent.reason) == ("open_by_patience", "patience_spent")
    poor = decide(gate("closed"), 500.0, waiting_since=long_ago, patience_allowed=False)
    assert (poor.state, poor.reason) == ("closed", "patience_over_budget")
    assert poor.since == NOW - DAY
    assert decide(gate("closed"), 500.0, waiting_since=long_ago + HOUR / 3600).state == "closed"


def test_patience_also_opens_between_where_it_opens_and_closes():
    assert decide(gate("closed"), 400.0, waiting_since=NOW - 3 * DAY).state == "open_by_patience"


def test_an_exception_lasts_until_it_was_used_or_the_budget_is_gone():
    young = gate("open_by_patience", ago=timedelta(minutes=1))
    assert decide(young, 500.0, waiting_since=NOW - 4 * DAY).since == young.since
    assert decide(young, 500.0, waiting_since=NOW).state == "closed"
    assert decide(young, 500.0, waiting_since=NOW - 4 * DAY, patience_allowed=False).state == (
        "closed"
    )


def test_an_exception_becomes_an_open_gate_when_the_grid_turns_clean():
    assert decide(gate("open_by_patience"), 100.0).state == "open"


def test_a_gate_that_closes_now_has_not_waited():
    assert decide(gate("open"), 500.0, waiting_since=NOW - 9 * DAY).reason == "above_threshold"


def test_a_naive_now_is_refused():
    with pytest.raises(SignalError, match="no time zone"):
        decide(None, None, now=NOW.replace(tzinfo=None))


intensities = st.floats(0, 2000)
histories = st.lists(intensities, max_size=60).map(
    lambda values: [at(v, hours_ago=i) for i, v in enumerate(values)]
)
rules = st.builds(
    GateRule,
    threshold_gco2eq_per_kwh=intensities,
    ceiling_gco2eq_per_kwh=intensities,
    patience=st.timedeltas(timedelta(0), 9 * DAY),
    dwell=st.timedeltas(timedelta(0), DAY),
)
gates = st.none() | st.builds(
    gate,
    st.sampled_from(get_args(State)),
    ago=st.timedeltas(-DAY, 9 * DAY),
)
situations = st.fixed_dictionaries(
    {
        "before": gates,
        "history": histories,
        "rule": rules,
        "waiting_since": st.timedeltas(timedelta(0), 9 * DAY).map(lambda ago: NOW - ago),
        "patience_allowed": st.booleans(),
    }
)


@given(intensity=intensities, situation=situations)
def test_no_gate_is_ever_open_above_the_ceiling(intensity, situation):
    judged = decide(intensity=intensity, **situation)
    if intensity > situation["rule"].ceiling_gco2eq_per_kwh:
        assert (judged.state, judged.reason) == ("closed", "above_ceiling")


@given(intensity=intensities, situation=situations)
def test_a_gate_at_or_below_the_threshold_is_open_unless_it_dwells(intensity, situation):
    rule = situation["rule"]
    judged = decide(intensity=intensity, **situation)
    if intensity <= min(rule.threshold_gco2eq_per_kwh, rule.ceiling_gco2eq_per_kwh):
        assert judged.state == "open" or judged.reason == "dwell"


@given(intensity=intensities, situation=situations)
def test_an_exception_is_made_only_after_patience_and_within_the_budget(intensity, situation):
    judged = decide(intensity=intensity, **situation)
    if judged.state == "open_by_patience":
        assert situation["patience_allowed"]
        assert NOW - situation["waiting_since"] >= situation["rule"].patience


@given(situation=situations)
def test_unknown_is_a_state_of_its_own(situation):
    assert decide(intensity=None, **situation).state == "unknown"


@given(intensity=intensities, situation=situations)
def test_a_known_intensity_is_never_unknown(intensity, situation):
    judged = decide(intensity=intensity, **situation)
    assert judged.state != "unknown"
    assert judged.numbers["intensity_gco2eq_per_kwh"] == intensity


@given(intensity=st.none() | intensities, situation=situations)
def test_judging_again_at_once_changes_nothing(intensity, situation):
    once = decide(intensity=intensity, **situation)
    if once.state == "closed":
        # Closing starts the wait anew for whoever was open.
        before = situation["before"]
        if before is not None and before.state == "open":
            situation["waiting_since"] = NOW
    again = decide(intensity=intensity, **(situation | {"before": once}))
    assert (again.state, again.since) == (once.state, once.since)


@given(intensity=st.none() | intensities, situation=situations)
def test_every_gate_explains_itself_in_one_sentence_and_survives_json(intensity, situation):
    judged = decide(intensity=intensity, **situation)
    sentence = explain(judged)
    assert sentence.startswith(judged.state.replace("_", " ") + ": ")
    assert "\n" not in sentence
    restored = Gate.from_payload(GateChanged.model_validate_json(canonical(judged.to_payload())))
    assert restored == judged
    assert explain(restored) == sentence


@given(values=st.lists(intensities, min_size=2, max_size=80), threshold=intensities)
def test_closing_later_than_opening_never_adds_changes(values, threshold):
    rule = replace(
        RULE,
        threshold_gco2eq_per_kwh=threshold,
        ceiling_gco2eq_per_kwh=math.inf,
        patience=timedelta.max,
        dwell=timedelta(0),
    )
    readings = [at(v, hours_ago=len(values) - i) for i, v in enumerate(values)]
    kept, forgetful = _changes(readings, rule)
    assert kept <= forgetful


def test_closing_later_than_opening_saves_changes_on_a_real_shape():
    readings = TypicalDay().readings("DE", NOW - 120 * DAY, NOW)
    kept, forgetful = _changes(readings, replace(RULE, dwell=timedelta(0), patience=999 * DAY))
    assert 0 < kept < 0.8 * forgetful


def _changes(readings, rule) -> tuple[int, int]:
    """Return how often a gate changed, and how often one would that forgets its state."""
    kept: list[Gate] = []
    forgetful: list[State] = []
    for i, reading in enumerate(readings):
        arguments: dict[str, Any] = {
            "rule": rule,
            "now": reading.start,
            "patience_allowed": False,
        }
        week = week_of(reading, readings[max(0, i - 168) : i + 1], reading.start)
        judge = ZoneJudge(reading, week, **arguments)
        kept.append(judge.gate(kept[-1] if kept else None, reading.start))
        forgetful.append(judge.gate(None, reading.start).state)
    states = [g.state for g in kept]
    return (
        sum(a != b for a, b in pairwise(states)),
        sum(a != b for a, b in pairwise(forgetful)),
    )


def test_every_code_has_a_sentence():
    assert set(_SENTENCES) == set(get_args(Code))


@pytest.mark.parametrize(
    ("judged", "sentence"),
    [
        (
            decide(None, 56.0),
            "open: 56 gCO2eq/kWh is at or below the threshold of 200",
        ),
        (
            decide(None, 340.0),
            (
                "open: 340 gCO2eq/kWh is above the threshold of 200, but among the cleanest 30 % "
                "of the zone's last seven days (369 or below)"
            ),
        ),
        (
            decide(None, 412.5),
            "closed: 412.5 gCO2eq/kWh is not clean enough to open again; opens at 369 or below",
        ),
        (
            decide(gate("open"), 412.5),
            "open: 412.5 gCO2eq/kWh is at or below the zone's weekly median; closes above 415",
        ),
        (
            decide(None, 512.0),
            (
                "closed: 512 gCO2eq/kWh is above the threshold of 200 and the zone's weekly median "
                "of 415; opens at 369 or below"
            ),
        ),
        (
            decide(None, 512.0, []),
            "closed: 512 gCO2eq/kWh is above the threshold of 200; opens at 200 or below",
        ),
        (
            decide(None, 1200.0),
            (
                "closed: 1200 gCO2eq/kWh is above the ceiling of 1000, which no exception may "
                "cross; raise FAIRWIND_CEILING_GCO2EQ_PER_KWH or wait"
            ),
        ),
        (
            decide(gate("open", ago=timedelta(minutes=10)), 500.0),
            (
                "open: at 500 gCO2eq/kWh it would close, but it last changed 10 min ago and keeps "
                "its state for 30 min; it may change in 20 min"
            ),
        ),
        (
            decide(gate("closed"), 500.0, waiting_since=NOW - 4 * DAY),
            (
                "open by patience: 500 gCO2eq/kWh is too high for an open gate, but the client has "
                "waited 4 d (patience: 3 d), so it may train once"
            ),
        ),
        (
            decide(gate("closed"), 500.0, waiting_since=NOW - 4 * DAY, patience_allowed=False),
            (
                "closed: the client has waited 4 d (patience: 3 d), but 500 gCO2eq/kWh is more "
                "than the gram budget allows for an exception; opens at 369 or below, or when the "
                "budget is raised"
            ),
        ),
        (
            decide(None, None),
            (
                "unknown: no reading for the zone at this hour, so nothing is trained "
                "there; check the client's zone and FAIRWIND_SIGNAL, and see `fairwind signal`"
            ),
        ),
    ],
)
def test_a_person_can_act_on_the_sentence(judged, sentence):
    assert explain(judged) == sentence
