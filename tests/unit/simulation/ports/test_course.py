from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from common.errors import SettingError
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    Payload,
    ReceiptPayload,
    RoundPlanned,
    RunWaiting,
    UpdateAccepted,
    UpdateLate,
)
from simulation.outcome import Outcome
from simulation.ports.journal import Memory
from simulation.run import simulate
from tests.unit.simulation.worlds import group, trace, world

P = TypeVar("P", bound=Payload)

TWO_FAST_TWO_SLOW = [group(count=2), group(count=2, zone="DE", examples_per_s=10)]
"""The fast ones need 1 s and 0.1 Wh, the slow ones 10 s and 1 Wh."""


class Kept(Memory):
    """A journal that a test can read."""

    def __init__(self) -> None:
        super().__init__()
        self.drafts: list[tuple[datetime, Draft]] = []

    def record(self, at: datetime, *drafts: Draft) -> None:
        super().record(at, *drafts)
        self.drafts += [(at, draft) for draft in drafts]

    def of(self, *kinds: str) -> list[Draft]:
        return [draft for _, draft in self.drafts if draft.kind in kinds]

    def payloads(self, made: type[P]) -> list[tuple[str, P]]:
        """Return what events of one kind say, each with its client."""
        return [(d.client, d.payload) for _, d in self.drafts if isinstance(d.payload, made)]


def played(**changes: Any) -> tuple[Outcome, Kept]:
    kept = Kept()
    return simulate(world(**changes), journal=kept), kept


def test_every_figure_of_a_plain_run_is_as_worked_out_by_hand():
    outcome, _ = played()
    # 100 examples at 100 a second are 1 s; at 360 W 0.1 Wh; at 100 gCO2eq/kWh 0.01 g.
    assert outcome.end_reason == "rounds"
    assert outcome.hours * 3600 == pytest.approx(3)
    assert outcome.energy_wh == pytest.approx(12 * 0.1)
    assert outcome.gco2eq == pytest.approx(12 * 0.01)
    assert outcome.uncounted_wh == outcome.unreported == 0
    assert outcome.participations == {f"FR-0{n}": 3 for n in range(1, 5)}
    assert [r.spent_gco2eq for r in outcome.rounds] == pytest.approx([0.04, 0.08, 0.12])
    assert [r.started_h * 3600 for r in outcome.rounds] == pytest.approx([0, 1, 2])


def test_the_way_and_the_facility_cost_time_and_energy():
    clients = [group(latency_s=2, pue=1.5, num_examples=200)]
    outcome, _ = played(clients=clients, run={"policy": "all", "rounds": 1})
    # 2 s there, 2 s of training, 2 s back; 4 clients of 360 W for 2 s, times 1.5.
    assert outcome.hours * 3600 == pytest.approx(6)
    assert outcome.energy_wh == pytest.approx(4 * 0.2 * 1.5)


def test_what_was_selected_in_excess_is_left_behind_and_booked():
    run = {"policy": "all", "rounds": 1, "cohort": 2, "quorum": 2, "over_selection": 1.0}
    outcome, kept = played(clients=TWO_FAST_TWO_SLOW, run=run)
    assert outcome.rounds[0].invited == 4
    assert outcome.rounds[0].cohort == ("FR-01", "FR-02")
    assert outcome.hours * 3600 == pytest.approx(1)
    assert len(kept.of("update.late")) == 2
    assert outcome.energy_wh == pytest.approx(2 * 0.1 + 2 * 1)
    assert outcome.uncounted_wh == pytest.approx(2)
    assert outcome.unreported == 0
    assert outcome.rounds[0].spent_gco2eq == pytest.approx(0.02)  # the late ones still work then


def test_a_deadline_closes_with_the_quorum_and_the_slow_are_booked_when_they_answer():
    run = {"policy": "all", "rounds": 1, "quorum": 2, "deadline_s": 5}
    outcome, kept = played(clients=TWO_FAST_TWO_SLOW, run=run)
    assert outcome.hours * 3600 == pytest.approx(5)
    assert {d.client for d in kept.of("assignment.given_up")} == {"DE-01", "DE-02"}
    assert outcome.energy_wh == pytest.approx(2 * 0.1 + 2 * 1)


def test_a_site_does_one_work_after_the_other():
    run = {"policy": "all", "rounds": 3, "cohort": 2, "quorum": 2, "over_selection": 1.0}
    outcome, kept = played(clients=TWO_FAST_TWO_SLOW, run=run)
    assert_in_turn(kept)
    # Rounds begin at 0, 1 and 2 s; a slow site works for all of them, from 0, 10 and 20 s on.
    assert outcome.energy_wh == pytest.approx(6 * 0.1 + 6 * 1)
    assert outcome.unreported == 0


def test_an_assignment_that_waited_too_long_is_declined():
    gate = {"valid_h": 15 / 3600}
    run = {"policy": "all", "rounds": 4, "cohort": 2, "quorum": 2, "over_selection": 1.0}
    outcome, kept = played(clients=TWO_FAST_TWO_SLOW, run=run, gate=gate)
    # Planned at 2 and 3 s, their third and fourth turns come at 20 s, after 17 and 18 s.
    late = [update.work.reason for _, update in kept.payloads(UpdateLate)]
    assert [reason.code for reason in late if reason] == ["too_late"] * 4
    assert outcome.energy_wh == pytest.approx(8 * 0.1 + 4 * 1)


def test_failed_work_is_booked_and_others_carry_on():
    clients = [group(count=2), group(count=2, zone="DE", failure_rate=1.0)]
    run = {"policy": "all", "rounds": 5, "quorum": 2}
    outcome, kept = played(clients=clients, run=run)
    assert len(outcome.rounds) == 5
    # The five rounds take five seconds, and a client that failed is left out for ten.
    assert len(kept.of("assignment.failed")) == 2
    outcome, kept = played(clients=clients, run=run | {"cron": "0 * * * *"})
    assert len(outcome.rounds) == 5
    # An hour later each has backed off long since, also after four failures in a row.
    assert len(kept.of("assignment.failed")) == 10
    assert outcome.energy_wh == pytest.approx(10 * 0.1 + outcome.uncounted_wh)
    assert 0 < outcome.uncounted_wh < 1
    assert outcome.participations["DE-01"] == 0


def test_who_is_away_is_not_asked_and_who_goes_finishes_first():
    clients = [
        group(count=2),
        # Away from 00:00 to 06:00, and from 08:00 on; a work takes 1 h 30 min.
        group(count=2, zone="DE", windows="06-08", num_examples=540_000),
    ]
    run = {"policy": "all", "hours": 12, "quorum": 2, "cron": "0 * * * *", "deadline_s": 7200}
    outcome, kept = played(clients=clients, run=run)
    by_hour = {r.started_h: r.cohort for r in outcome.rounds}
    assert by_hour[5] == ("FR-01", "FR-02")
    assert by_hour[6] == ("DE-01", "DE-02", "FR-01", "FR-02")
    # At 07:30 they are there and free; what they begin then ends at 09:00, and then they go.
    silent = [at for at, d in kept.drafts if d.kind == "client.silent"]
    assert {at.hour for at in silent} == {9}
    assert outcome.unreported == 0


def test_a_gram_budget_ends_the_run_before_it_is_overspent():
    outcome, _ = played(run={"policy": "all", "grams": 0.1})
    # A round emits 0.04 g; what is left after two, 0.02 g, does not cover a third.
    assert (outcome.end_reason, len(outcome.rounds)) == ("grams", 2)
    assert outcome.gco2eq == pytest.approx(0.08)


def test_hours_end_the_run_to_the_second():
    outcome, _ = played(run={"policy": "all", "hours": 1.5, "cron": "*/20 * * * *"})
    assert (outcome.end_reason, outcome.hours) == ("hours", 1.5)
    assert [r.started_h for r in outcome.rounds] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3])


def test_a_run_waits_for_the_hour_in_which_its_gates_open(tmp_path):
    dirty_until = [400.0] * 24 + [400.0] * 5 + [100.0] * 50  # from 2022-05-02 05:00 on clean
    path = trace(tmp_path, {"FR": dirty_until})
    outcome, kept = played(signal={"kind": "trace", "path": path})
    assert outcome.rounds[0].started_h == 5
    assert [waiting.reason for _, waiting in kept.payloads(RunWaiting)] == ["too_few"]


def test_a_policy_may_ask_for_less_work_and_weigh_it():
    run = {
        "policy": "tests.unit.simulation.policies:half_the_work", "rounds": 1,
        "hyperparameters": {"epochs": 4},
    }  # fmt: skip
    outcome, kept = played(run=run)
    # Three clients of four epochs and one of two: 14 times 0.1 Wh.
    assert outcome.energy_wh == pytest.approx(1.4)
    weights = {client: update.admission.weight for client, update in kept.payloads(UpdateAccepted)}
    assert weights == {"FR-01": 200_000, "FR-02": 100_000, "FR-03": 100_000, "FR-04": 100_000}


def test_a_policy_that_fails_ends_the_simulation_with_its_error():
    run = {"policy": "tests.unit.simulation.policies:fails", "rounds": 1}
    with pytest.raises(SettingError, match="raised RuntimeError"):
        played(run=run)


@given(
    rate=st.sampled_from([0.0, 0.3]), jitter=st.sampled_from([0.0, 0.8]),
    over=st.sampled_from([0.0, 0.5]), deadline_s=st.sampled_from([3, 20, 600]),
    away=st.booleans(), seed=st.integers(0, 1000),
)  # fmt: skip
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_every_watt_hour_is_booked_once(*, rate, jitter, over, deadline_s, away, seed):
    chance = {"on_h": 0.01, "off_h": 0.005} if away else {}
    clients = [
        {**part, "failure_rate": rate, "speed_jitter": jitter, "pue": 1.2, "latency_s": 0.5,
         **chance}
        for part in TWO_FAST_TWO_SLOW
    ]  # fmt: skip
    run = {
        "policy": "random", "hours": 0.1, "rounds": 6, "cohort": 2, "quorum": 1,
        "over_selection": over, "deadline_s": deadline_s,
    }  # fmt: skip
    outcome, kept = played(clients=clients, run=run, seed=seed)
    works = [answer.work for _, answer in kept.payloads(ReceiptPayload)]
    used_wh = [work.energy_wh or 0.0 for work in works]
    assert outcome.energy_wh == pytest.approx(sum(used_wh))
    assert outcome.gco2eq == pytest.approx(0.1 * sum(used_wh))
    asked = sum(len(planned.cohort) for _, planned in kept.payloads(RoundPlanned))
    assert len(works) == asked
    declined = [work for work in works if work.energy is None]
    assert outcome.unreported == len(declined)
    assert_in_turn(kept)


def assert_in_turn(kept: Kept) -> None:
    """Check that no site ever did two things at once."""
    works = defaultdict(list)
    for client, answer in kept.payloads(ReceiptPayload):
        works[client].append((answer.work.started_at, answer.work.ended_at))
    for spans in works.values():
        ordered = sorted(spans)
        for (_, ended), (started, _) in pairwise(ordered):
            assert started - ended >= -timedelta(microseconds=1)
