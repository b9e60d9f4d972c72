"""What reserved machines use while they wait: booked as in production, and the whole of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.settings import Settings
from models.energy.constant import Constant
from models.energy.meter import Meter
from scheduler.federation.federation import Federation
from simulation.outcome import Outcome
from simulation.ports.journal import Memory
from simulation.ports.site import make_sites
from simulation.run import simulate
from simulation.scenario.scenario import Scenario
from tests.unit.simulation.worlds import group, trace, world

HOURLY: dict[str, Any] = {
    "policy": "all", "rounds": 3, "quorum": 1, "cron": "0 * * * *", "deadline_s": 600,
}  # fmt: skip


def booked(scenario: Scenario) -> tuple[Outcome, Federation]:
    journal = Memory()
    return simulate(scenario, journal=journal), journal.state


def test_a_machine_that_waits_uses_its_idle_watts_at_the_wall_until_its_work_begins():
    # Rounds at 1:00, 2:00 and 3:00 of one second each, at 360 W: 0.3 Wh of work x PUE 1.5 = 0.45.
    # It waits for 3,600 s and twice for 3,599 s at 36 W: 107.98 Wh x 1.5 = 161.97 Wh, and at
    # 100 g/kWh 16.197 g.
    scenario = world(run=HOURLY, clients=[group(count=1, idle_w=36, pue=1.5)])
    outcome, state = booked(scenario)
    totals = state.runs["world"].totals
    assert totals.energy_wh == pytest.approx(0.45)
    assert totals.idle_wh == pytest.approx(161.97)
    assert totals.idle_gco2eq == pytest.approx(16.197)
    # The run ends with its last work: nothing waits unbooked.
    assert outcome.idle_wh == pytest.approx(161.97)
    assert outcome.idle_gco2eq == pytest.approx(16.197)
    assert outcome.with_idle_wh == pytest.approx(162.42)
    assert outcome.with_idle_gco2eq == pytest.approx(16.242)
    assert [r.idle_gco2eq for r in outcome.rounds] == pytest.approx([5.4, 10.7985, 16.197])


def test_waiting_emits_by_the_grid_of_the_hours_waited(tmp_path):
    # A day of 200 g/kWh, then 0 g from midnight on, but for 1:00 to 2:00 with 300 g.
    path = trace(tmp_path, {"FR": [200.0] * 24 + [0.0, 300.0, 0.0, 0.0, 0.0]})
    scenario = world(
        run=HOURLY | {"rounds": 2, "cron": "0 */2 * * *"},
        signal={"kind": "trace", "path": str(path)}, gate="off",
        clients=[group(count=1, idle_w=36)],
    )  # fmt: skip
    outcome, state = booked(scenario)
    # It waits from 0:00 to 4:00 but for a second, 14,399 s at 36 W, of which 36 Wh at 300 g/kWh.
    assert outcome.idle_wh == pytest.approx(143.99)
    assert outcome.idle_gco2eq == pytest.approx(10.8)
    # The work at 2:00 and at 4:00 emits nothing; at its intensity the wait would look free.
    assert state.runs["world"].totals.idle_gco2eq == pytest.approx(10.8)


def test_sites_that_are_never_invited_wait_as_well_though_no_receipt_says_so():
    # Four machines from 0:00 to 2:00:01; one of them works a second in each of two rounds.
    scenario = world(
        run=HOURLY | {"rounds": 2, "policy": "random", "cohort": 1, "over_selection": 0.0},
        clients=[group(count=4, idle_w=36)],
    )  # fmt: skip
    outcome, state = booked(scenario)
    assert outcome.idle_wh == pytest.approx((4 * 7201 - 2) * 36 / 3600)
    assert state.runs["world"].totals.idle_wh < outcome.idle_wh


def test_a_machine_that_is_away_uses_nothing():
    # There from 0:00 to 1:30 and again from 2:00 on; rounds at 1:00 and 2:00, of a second each.
    scenario = world(
        run=HOURLY | {"rounds": 2},
        clients=[group(count=1, idle_w=36, windows=["00:00-01:30", "02:00-24"])],
    )  # fmt: skip
    outcome, state = booked(scenario)
    assert outcome.idle_wh == pytest.approx((3600 + 1799) * 36 / 3600)
    # As at a real site, what a worker waited before it was stopped is in no receipt.
    assert state.runs["world"].totals.idle_wh == pytest.approx(36.0)


def test_a_machine_that_is_not_reserved_waits_for_nothing_and_changes_no_figure():
    plain = simulate(world(run=HOURLY))
    stated = simulate(world(run=HOURLY, clients=[group(idle_w=0)]))
    reserved = simulate(world(run=HOURLY, clients=[group(idle_w=36)]))
    assert stated == plain
    assert (plain.idle_wh, plain.idle_gco2eq) == (0.0, 0.0)
    assert reserved.decisions == plain.decisions
    rounds = tuple(replace(r, idle_gco2eq=0.0) for r in reserved.rounds)
    assert replace(reserved, idle_wh=0.0, idle_gco2eq=0.0, rounds=rounds) == plain


spans = st.lists(st.tuples(st.integers(0, 7200), st.integers(1, 7200)), min_size=1, max_size=6)


@given(spans=spans, idle_w=st.sampled_from([0.0, 36.0]), pue=st.sampled_from([1.0, 1.5]))
def test_a_virtual_site_reports_what_a_real_sites_meter_does(spans, idle_w, pue):
    """Waits and works of so many seconds, in turn."""
    now_s = [0.0]
    stated = Settings(idle_w=idle_w, pue=pue)
    meter = Meter([Constant(360.0)], stated, clock=lambda: now_s[0], gpu_in_use=lambda: False)
    scenario = world(clients=[group(count=1, idle_w=idle_w, pue=pue)])
    (site,) = make_sites(scenario).values()
    for waits_s, works_s in spans:
        now_s[0] += waits_s
        meter.start()
        begun = scenario.start + timedelta(seconds=now_s[0])
        now_s[0] += works_s
        real, virtual = meter.stop(), site.used(begun, begun + timedelta(seconds=works_s))
        assert real is not None
        assert (virtual.idle_s, virtual.idle_wh) == (real.idle_s, real.idle_wh)
        assert virtual.energy_wh == pytest.approx(real.energy_wh)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    cohort=st.integers(1, 4),
    failure_rate=st.sampled_from([0.0, 0.4]),
    churn=st.booleans(),
)
def test_time_there_is_either_work_or_waiting(seed, cohort, failure_rate, churn):
    """With the idle watts of work, all hours there cost the same: none is counted twice."""
    away = {"on_h": 3.0, "off_h": 1.0} if churn else {}
    scenario = world(
        seed=seed,
        run=HOURLY
        | {"policy": "random", "cohort": cohort, "rounds": 6, "over_selection": 0.0},
        clients=[
            group(count=4, idle_w=360, num_examples=30_000, failure_rate=failure_rate, **away)
        ],
        gate="off",
    )  # fmt: skip
    outcome, state = booked(scenario)
    totals = state.runs["world"].totals
    assert totals.idle_wh <= outcome.idle_wh + 1e-6
    most_wh = 4 * 360 * outcome.hours
    if not churn:
        # Work that goes on after the end of the run is in its energy, and its wait is not.
        assert outcome.with_idle_wh >= most_wh - 1e-6
        assert outcome.with_idle_wh <= most_wh + 4 * 360 * 300 / 3600 + 1e-6
    assert outcome.idle_wh <= most_wh
