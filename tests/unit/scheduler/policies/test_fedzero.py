"""FedZero: the shortest round that excess energy allows, by a mixed-integer program."""

from datetime import UTC, datetime
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from scheduler.policies.fedzero import select
from scheduler.policies.fedzero_mip import BatchLimits, allocate, most_clients, surely
from scheduler.policies.policy import POLICIES, policy_options
from scheduler.policies.selection_context import Candidate, SelectionContext
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.policies import laws

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def client(name: str, zone: str, *ahead: float, **changes: Any) -> Candidate:
    """Return a client that needs 10 minutes and 100 Wh for five epochs: 600 W."""
    fields: dict[str, Any] = {
        "zone": zone, "duration_s": 600.0, "energy_wh": 100.0, "num_examples": 10,
        "forecast_gco2eq_per_kwh": ahead,
        "intensity_gco2eq_per_kwh": ahead[0] if ahead else None,
    }  # fmt: skip
    return Candidate(name, **(fields | changes))


def ask(*candidates: Candidate, now: datetime = NOON, **changes: Any) -> SelectionResult:
    options = policy_options("fedzero", changes.pop("options", {}))
    fields: dict[str, Any] = {"wanted": 2, "quorum": 1, "number": 1, "epochs": 5}
    fields |= {"now": now, "rng": Random(0), "options": options} | changes
    return select(SelectionContext(candidates, **fields))


def test_only_zones_with_excess_energy_train():
    # The median of 100, 100, 300, 300 is 200: FR has energy in both hours, DE in none.
    answer = ask(client("a", "FR", 100.0, 100.0), client("b", "DE", 300.0, 300.0))
    assert answer.cohort == ["a"]
    assert answer.because["excess_gco2eq_per_kwh"] == 200.0
    assert answer.because["without_excess"] == 1


def test_on_flat_grids_everybody_has_excess_energy():
    assert ask(client("a", "FR", 300.0), client("b", "DE", 300.0)).cohort == ["a", "b"]


def test_the_shortest_round_in_which_all_reach_an_epoch_is_chosen():
    # An epoch takes 2 minutes each. Alone in its zone a client is fed by 800 W: 600 W suffice.
    answer = ask(client("a", "FR", 100.0), client("b", "DE", 100.0))
    assert answer.because["minutes"] == 2
    assert answer.epochs == {"a": 1, "b": 1}
    # In one zone two epochs need 40 Wh, which 800 W give in 3 minutes.
    answer = ask(client("a", "FR", 100.0), client("b", "FR", 100.0))
    assert answer.because["minutes"] == 3
    # 100 W give them in 24.
    answer = ask(*(client(c, "FR", 100.0) for c in "ab"), options={"power_w": 100.0})
    assert answer.because["minutes"] == 24


def test_the_fast_do_more_epochs_while_the_slow_do_one():
    # a does one epoch in 12 s, all five in a minute; b needs 2 minutes for one.
    pair = (client("a", "FR", 100.0, duration_s=60.0), client("b", "DE", 100.0))
    answer = ask(*pair, options={"power_w": 1e6})
    assert answer.epochs == {"b": 1}
    assert answer.weights == {"a": 1.0, "b": 0.2}  # by their batches


def test_the_most_useful_take_the_energy_that_is_left():
    # Both need 6 s for an epoch of 1 Wh. 300 W give 5 Wh in the one minute: an epoch for b, and
    # the others for a, whose examples are more (sigma 1 and 0).
    pair = (
        client("a", "FR", 100.0, duration_s=30.0, energy_wh=5.0, num_examples=20),
        client("b", "FR", 100.0, duration_s=30.0, energy_wh=5.0, num_examples=10),
    )
    answer = ask(*pair, options={"power_w": 300.0})
    assert answer.because["minutes"] == 1
    assert answer.epochs == {"a": 4, "b": 1}


def test_energy_ends_with_the_hour_that_is_clean():
    # 100 g now, 500 g from 13:00: the median of the two is 300 g. At 12:55 five minutes are left.
    late = NOON.replace(minute=55)
    slow = client("a", "FR", 100.0, 500.0, duration_s=1800.0)  # 6 minutes an epoch
    assert ask(slow, now=late.replace(minute=54)).because["minutes"] == 6
    assert ask(slow, now=late).cohort == ()
    assert ask(slow, now=late).because["code"] == "excess_too_short"


def test_fewer_than_the_quorum_wait_and_fewer_than_the_places_train():
    # 10 W give 10 Wh in an hour: half an epoch. 50 W give 50 Wh: two of the three.
    trio = [client(c, "FR", 100.0) for c in "abc"]
    assert ask(*trio, options={"power_w": 10.0}).cohort == ()
    chosen = ask(*trio, wanted=3, quorum=2, options={"power_w": 50.0})
    assert len(chosen.cohort) == 2
    assert ask(*trio, wanted=3, quorum=3, options={"power_w": 50.0}).cohort == ()


def test_without_any_known_grid_nobody_trains():
    assert ask(client("a", "FR"), client("b", "DE")).because["code"] == "too_little_excess"
    assert ask().cohort == ()


def test_the_blocked_rest():
    past = laws.rounds(["a", "b"], ["a", "b"])
    changes: dict[str, Any] = {"past": past, "now": laws.NOW, "options": {"alpha": 1e-9}}
    trio = [client(c, "FR", 100.0) for c in "abc"]
    answer = ask(*trio, **changes)
    assert answer.cohort == ["c"]
    assert answer.because["blocked"] == 2


def test_the_first_round_without_experience_is_drawn_among_those_with_energy():
    unknown = {"duration_s": None, "energy_wh": None}
    trio = [client(c, "FR", 100.0, **unknown) for c in "abc"]
    answer = ask(*trio, client("d", "DE", 900.0, **unknown))
    assert len(answer.cohort) == 2
    assert set(answer.cohort) <= set("abc")


def test_an_unknown_figure_counts_as_the_median_of_the_known():
    pair = (client("a", "FR", 100.0), client("b", "DE", 100.0, duration_s=None, energy_wh=None))
    assert ask(*pair).because["minutes"] == 2


def test_work_that_needs_no_energy_still_waits_for_excess():
    free = {"energy_wh": 0.0}
    assert ask(client("a", "FR", 100.0, **free), client("b", "DE", 900.0, **free)).cohort == ["a"]


positive = st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0])
works = st.integers(1, 4).flatmap(
    lambda n: st.builds(
        lambda sigma, delta, spare, domain, energy: BatchLimits(
            np.array(sigma), np.array(delta), np.array(spare), np.array(domain),
            np.array(energy), 1.0, 3.0,
        ),
        sigma=st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=n, max_size=n),
        delta=st.lists(positive, min_size=n, max_size=n),
        spare=st.lists(st.lists(positive, min_size=2, max_size=2), min_size=n, max_size=n),
        domain=st.lists(st.integers(0, 1), min_size=n, max_size=n),
        energy=st.lists(
            st.lists(st.sampled_from([0.0, 1.0, 4.0]), min_size=2, max_size=2),
            min_size=2, max_size=2,
        ),
    )
)  # fmt: skip


def best_of(work: BatchLimits, chosen: tuple[int, ...]) -> float | None:
    """Return the greatest objective of a given set, by a linear program in m alone."""
    spans = work.spare.shape[1]
    cost = np.repeat([-(work.sigma[c] + 1e-3) for c in chosen], spans)
    rows, limits = [], []
    for i in range(len(chosen)):
        row = np.zeros(len(cost))
        row[i * spans : (i + 1) * spans] = 1.0
        rows += [row, -row]
        limits += [work.most, -work.least]
    for domain, energy in enumerate(work.energy_wh):
        for t in range(spans):
            row = np.zeros(len(cost))
            for i, c in enumerate(chosen):
                row[i * spans + t] = work.delta_wh[c] if work.domain[c] == domain else 0.0
            rows.append(row)
            limits.append(energy[t])
    bounds = [(0.0, work.spare[c, t]) for c in chosen for t in range(spans)]
    found = linprog(cost, np.array(rows), np.array(limits), bounds=bounds)
    return -found.fun if found.status == 0 else None


@settings(deadline=None)
@given(work=works, n=st.integers(1, 3))
def test_the_program_finds_what_trying_every_set_finds(work, n):
    values = [best_of(work, chosen) for chosen in combinations(range(len(work.sigma)), n)]
    feasible = [value for value in values if value is not None]
    epochs = allocate(work, n)
    assert (epochs is not None) == bool(feasible)
    if epochs is not None:
        assert (epochs > 0).sum() == n
        value = (epochs * (work.sigma + 1e-3)).sum()
        assert value == pytest.approx(max(feasible), rel=2e-3, abs=1e-6)
    assert most_clients(work, n) <= n
    assert bool(feasible) or not surely(work, n)
    assert (most_clients(work, n) == n) == bool(feasible)


@settings(deadline=None)
@given(work=works)
def test_nobody_works_beyond_what_it_could_reach_alone(work):
    n = most_clients(work, len(work.sigma))
    epochs = allocate(work, n) if n else None
    if epochs is not None:
        assert (epochs <= np.minimum(work.reachable(), work.most) + 1e-5).all()


OPTIONS = policy_options("fedzero", {})


@settings(deadline=None, max_examples=40)
@given(question=laws.questions(OPTIONS))
def test_the_answer_is_lawful(question):
    laws.assert_lawful(lambda asked: list(select(asked).cohort), question)


def test_it_asks_for_a_day_of_forecasts():
    assert POLICIES["fedzero"].horizon_h == 25
