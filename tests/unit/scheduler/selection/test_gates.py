"""Gates judged at once are the gates that are judged one by one."""

from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SignalError
from scheduler.carbon.grid import ZoneNow
from scheduler.carbon.reading import FLOW_TRACED, Family, Reading
from scheduler.federation.client import Client
from scheduler.gate.gate import Gate, GateRule, judge
from scheduler.ledger.events.gate import Code, State
from scheduler.selection.client_table import ClientTable
from scheduler.selection.gates import CODES, NOT_JUDGED, STATES, Gates, states_of
from tests.unit.scheduler.story import HOUR, NOON, gate

MARGINAL = Family("marginal", "direct", "production")

spans = st.sampled_from([timedelta(minutes=m) for m in (-5, 0, 29, 30, 31, 4319, 4320, 9999)])
rules = st.builds(
    GateRule,
    threshold_gco2eq_per_kwh=st.sampled_from([0.0, 200.0]),
    ceiling_gco2eq_per_kwh=st.sampled_from([300.0, 1000.0]),
    patience=st.sampled_from([timedelta(0), timedelta(hours=72), timedelta.max]),
    dwell=st.sampled_from([timedelta(0), timedelta(minutes=30)]),
    unknown_may_train=st.booleans(),
)
weeks = st.sampled_from([{}, {"q30_gco2eq_per_kwh": 250.0, "q50_gco2eq_per_kwh": 290.0}])
readings = st.none() | st.builds(
    lambda value, hours_ago, family: Reading(
        "FR", NOON - hours_ago * HOUR, NOON + HOUR - hours_ago * HOUR, value, "test", family,
        "measured",
    ),
    value=st.sampled_from([0.0, 200.0, 200.1, 250.0, 250.1, 290.0, 290.1, 300.0, 300.1, 1200.0]),
    hours_ago=st.sampled_from([0, 0, 0, 3]),
    family=st.sampled_from([FLOW_TRACED, FLOW_TRACED, FLOW_TRACED, MARGINAL]),
)  # fmt: skip
zones = st.lists(st.builds(lambda r, w: ZoneNow(r, (), w, None), readings, weeks), min_size=3)
befores = st.none() | st.builds(
    lambda state, reason, ago: Gate(state, NOON - ago, reason, {}),
    st.sampled_from(get_args(State)),
    st.sampled_from(get_args(Code)),
    spans,
)
people = st.lists(st.tuples(st.integers(0, 2), befores, st.none() | spans), max_size=8)


def client(number: int, zone: int, before: Gate | None, waited: timedelta | None) -> Client:
    since = None if waited is None else NOON - waited
    return Client(f"c{number}", f"Z{zone}", gate=before, waiting_since=since)


@given(people=people, zones=zones, rule=rules, allowed=st.booleans())
def test_all_at_once_and_one_by_one_agree(people, zones, rule, allowed):
    fleet = ClientTable(client(n, *person) for n, person in enumerate(people))
    here = [zones[int(zone[1:])] for zone in fleet.zones]
    judged = Gates(fleet, here, rule, NOON, patience_allowed=allowed)
    alone = {
        c.id: judge(
            c.gate, zones[int(c.zone[1:])].reading, zones[int(c.zone[1:])].week, rule=rule,
            now=NOON, waiting_since=c.waiting_since or NOON, patience_allowed=allowed,
        )
        for c in fleet
    }  # fmt: skip
    assert dict(judged) == alone
    assert [STATES[n] for n in judged.states] == [g.state for g in alone.values()]
    assert [CODES[n] for n in judged.reasons] == [g.reason for g in alone.values()]
    assert judged.news() == [
        place
        for place, c in enumerate(fleet)
        if c.gate is None
        or (c.gate.state, c.gate.reason) != (alone[c.id].state, alone[c.id].reason)
    ]
    firsts, like = judged.kinds()
    for place, kind in enumerate(like):
        mine, first = judged.at(place), judged.at(firsts[kind])
        assert (mine.state, mine.reason) == (first.state, first.reason)
        assert fleet[place].zone == fleet[firsts[kind]].zone


def test_a_naive_time_is_refused():
    rule = GateRule(1, 1, HOUR, HOUR)
    with pytest.raises(SignalError):
        Gates(ClientTable([]), [], rule, datetime(2026, 1, 1), patience_allowed=True)  # noqa: DTZ001


def test_gates_made_by_hand_have_states_too():
    fleet = ClientTable([Client("a", "FR"), Client("b", "FR")])
    assert states_of({"b": gate("closed")}, fleet).tolist() == [
        NOT_JUDGED,
        STATES.index("closed"),
    ]


def test_gates_of_other_clients_are_read_by_name():
    # The same columns would be another client's.
    first, second = Client("a", "FR"), Client("b", "DE")
    rule = GateRule(200, 1000, HOUR, HOUR)
    clean, dark = (
        ZoneNow(Reading("FR", NOON, NOON + HOUR, 10, "t", FLOW_TRACED, "measured"), (), {}, None),
        ZoneNow(None, (), {}, None),
    )
    judged = Gates(ClientTable([first, second]), [clean, dark], rule, NOON, patience_allowed=True)
    turned = ClientTable([second, first])
    assert states_of(judged, turned).tolist() == [STATES.index("unknown"), STATES.index("open")]
