"""Local work: who emits more for an example, or takes long, does fewer epochs, at least one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.local_work import LocalWork, local_work
from tests.unit.scheduler.policies.course import site

FOUR = [
    site(name, grams) for name, grams in zip("abcd", (100.0, 200.0, 400.0, 1600.0), strict=True)
]


def work(*candidates, epochs=8, full_share=0.0, part=None) -> LocalWork:
    pool = CandidateTable.of(candidates)
    emissions = hourly_emissions(pool, horizon_h=48.0, end_h=None)
    return local_work(emissions, pool.duration_s, epochs=epochs, full_share=full_share, part=part)


def test_epochs_are_in_proportion_to_the_grams_of_the_cleanest():
    # Full share 0: all are measured by the cleanest, 100 g. 1, 1/2, 1/4 and 1/16 of 8 epochs.
    assert work(*FOUR).counts().tolist() == [8, 4, 2, 1]


def test_the_cleanest_share_of_the_clients_does_all_epochs():
    # Of 100, 200, 400, 1600 the 1/3-quantile is 200: 1, 1, 1/2 and 1/8 of 8 epochs.
    assert work(*FOUR, full_share=1 / 3).counts().tolist() == [8, 8, 4, 1]
    assert work(*FOUR, full_share=1.0).counts().tolist() == [8, 8, 8, 8]


def test_nobody_does_less_than_one_epoch():
    assert work(*FOUR, epochs=1).counts().tolist() == [1, 1, 1, 1]
    assert work(*FOUR).counts(0.0).tolist() == [1, 1, 1, 1]


def test_parts_of_epochs_are_not_rounded_and_have_a_least():
    # 1, 1/2, 1/4 and 1/16 of 3 epochs.
    assert work(*FOUR, epochs=3, part=0.5).counts().tolist() == [3, 1.5, 0.75, 0.5]
    assert work(*FOUR, epochs=1, part=0.01).counts().tolist() == [1, 0.5, 0.25, 0.0625]


def test_grams_count_for_an_example_so_that_large_sites_are_not_cut():
    large = site("b", 100.0, num_examples=1000, energy_wh=10_000.0)
    assert work(site("a", 100.0), large).counts().tolist() == [8, 8]


def test_the_usual_hour_counts_not_the_running_one():
    # Usually 300 g, the reference, whether it is 100 or 500 g now.
    assert work(site("a", 100.0, 500.0)).counts().tolist() == [8]
    assert work(site("a", 500.0, 100.0)).counts().tolist() == [8]


def test_who_takes_more_than_twice_as_long_as_the_middle_does_fewer():
    # The middle of 60, 60, 240 s is 60; 240 s is twice as long as the 120 s allowed.
    timed = [site(n, 100.0, duration_s=s) for n, s in zip("abcd", (60, 60, 240, None), strict=True)]
    assert work(*timed).counts().tolist() == [8, 8, 4, 8]
    assert work(*[site("a", 100.0, duration_s=0.0)]).counts().tolist() == [8]


def test_power_without_emissions_does_all_epochs():
    assert work(site("a", 0.0), site("b", 0.0)).counts().tolist() == [8, 8]
    assert work(site("a", 0.0), site("b", 100.0)).counts().tolist() == [8, 1]


def test_the_chosen_do_fewer_epochs_until_they_keep_to_the_budget():
    # 8, 4, 2 and 1 epochs emit 100 g each of a and b, 100 g of c and 200 g of d.
    asked = work(*FOUR)
    assert asked.gco2eq(asked.counts()).tolist() == [100.0, 100.0, 100.0, 200.0]
    both = np.array([0, 1])
    assert asked.within(both, 200.0).tolist() == [8, 4, 2, 1]
    # 7 and 3 epochs (thrift just below 7/8) emit 87.5 + 75 g; 7 and 4 would be 187.5 g.
    assert asked.within(both, 170.0)[:2].tolist() == [7, 3]
    assert asked.within(both, 1.0).tolist() == [1, 1, 1, 1]


@given(
    grams=st.lists(st.floats(0, 1000), min_size=1, max_size=8),
    budget=st.just(math.inf) | st.floats(0, 1000),
    epochs=st.integers(1, 10),
    part=st.none() | st.floats(0.01, 1),
)
def test_a_budget_is_kept_wherever_the_least_work_of_each_keeps_it(grams, budget, epochs, part):
    asked = work(*(site(f"c{n}", each) for n, each in enumerate(grams)), epochs=epochs, part=part)
    everybody = np.arange(len(grams))
    counts = asked.within(everybody, budget)
    assert ((counts >= asked.least) & (counts <= asked.counts())).all()
    least = asked.gco2eq(np.full(len(grams), asked.least)).sum()
    assert asked.gco2eq(counts).sum() <= max(budget, least) * (1 + 1e-9)
    assert pytest.approx(asked.within(everybody, math.inf)) == asked.counts()
