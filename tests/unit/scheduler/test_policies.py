"""Policies choose among candidates: each once, fairly or by score, and never out of thin air."""

import sys
import types
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SettingError
from scheduler.policies import uniform
from scheduler.policies.policy import POLICIES, apply_policy, find_policy, policy_options
from scheduler.policies.selection_context import Candidate, SelectionContext
from scheduler.policies.selection_result import SelectionResult


def known(client: str, score: float, *, explored: bool) -> Candidate:
    """Return a candidate with this score that has trained, or not."""
    return Candidate(client, score=score, updates=int(explored))


NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)

candidates_ = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=15).map(
    lambda pairs: [
        known(f"c{i}", score, explored=trained) for i, (score, trained) in enumerate(pairs)
    ]
)


def chosen(policy: str, candidates: list[Candidate], wanted: int, draws: int) -> Counter[str]:
    """Return how often each candidate was chosen over that many seeds."""
    return Counter(c for seed in range(draws) for c in answer(policy, candidates, wanted, seed))


def answer(policy: str, candidates: list[Candidate], wanted: int, seed: int) -> list[str]:
    """Return whom a policy invites to round 3."""
    question = SelectionContext(
        candidates, wanted, quorum=1, number=3, now=NOON, rng=Random(seed),
        num_clients=len(candidates), options=policy_options(policy, {}),
    )  # fmt: skip
    said = find_policy(policy).select(question)
    return list(said.cohort if isinstance(said, SelectionResult) else said)


@given(
    policy=st.sampled_from(["score", "random", "all"]),
    candidates=candidates_,
    wanted=st.integers(0, 20),
    seed=st.integers(),
)
def test_every_policy_chooses_among_the_candidates_each_once(policy, candidates, wanted, seed):
    picked = answer(policy, candidates, wanted, seed)
    ids = {candidate.client for candidate in candidates}
    assert len(set(picked)) == len(picked)
    assert set(picked) <= ids
    expected = len(ids) if policy == "all" else min(wanted, len(ids))
    assert len(picked) == expected
    assert picked == answer(policy, candidates, wanted, seed)


def test_random_is_uniform_whatever_the_scores():
    candidates = [known(f"c{i}", i / 10, explored=i % 2 == 0) for i in range(10)]
    counts = chosen("random", candidates, 3, draws=2000)
    # Each is expected 600 times, with variance 2000 * 0.3 * 0.7 = 420. The sum of squares over
    # variance is about chi-squared with 9 degrees of freedom (0.9 of it, as places are fixed):
    # its 99.9 % quantile is 27.9.
    assert sum((counts[c.client] - 600) ** 2 for c in candidates) / 420 < 27.9


def test_score_prefers_higher_scores():
    candidates = [known(f"c{i}", score, explored=True) for i, score in enumerate([0.1, 0.4, 0.8])]
    counts = chosen("score", candidates, 1, draws=3000)
    # One place is drawn in proportion to the scores: 0.1, 0.4 and 0.8 of 1.3. Three standard
    # deviations of the share are at most 0.028.
    shares = [counts[f"c{i}"] / 3000 for i in range(3)]
    assert shares == pytest.approx([0.1 / 1.3, 0.4 / 1.3, 0.8 / 1.3], abs=0.028)


def test_score_leaves_nobody_out_for_ever():
    candidates = [known("worst", 0.0, explored=True)]
    candidates += [known(f"c{i}", 1.0, explored=True) for i in range(9)]
    # A score of 0 counts as 0.05: the chance of a place is at least 0.05 / 9.05 in each round.
    assert chosen("score", candidates, 1, draws=2000)["worst"] >= 1


@pytest.mark.parametrize(("wanted", "places"), [(5, 1), (10, 2), (6, 2), (1, 1)])
def test_score_keeps_a_fifth_of_the_places_for_the_unexplored(wanted, places):
    old = [known(f"known{i}", 1.0, explored=True) for i in range(40)]
    fresh = [known(f"fresh{i}", 0.0, explored=False) for i in range(3)]
    for seed in range(50):
        picked = answer("score", [*old, *fresh], wanted, seed)
        assert sum(name.startswith("fresh") for name in picked) >= places


def test_score_explores_by_chance_not_by_score():
    fresh = [known(f"c{i}", i / 3, explored=False) for i in range(4)]
    counts = chosen("score", fresh, 1, draws=2000)
    # Each is expected 500 times with variance 375; 99.9 % of chi-squared with 3 degrees: 16.3.
    assert sum((counts[c.client] - 500) ** 2 for c in fresh) / 375 < 16.3


def test_all_invites_everybody():
    candidates = [known(f"c{i}", 0.0, explored=True) for i in range(7)]
    assert answer("all", candidates, 2, 0) == [c.client for c in candidates]


def test_an_unknown_policy_is_refused_with_those_there_are():
    with pytest.raises(SettingError, match=r"no policy 'tarot'.*fairwind, score, random, all"):
        find_policy("tarot")
    with pytest.raises(SettingError, match="Did you mean fairwind"):
        find_policy("fairwnd")


def test_a_policy_of_ones_own_is_found_by_its_import_path():
    assert find_policy("scheduler.policies.uniform:select").select is uniform.select


@pytest.mark.parametrize(
    "name", ["no_such_module:select", "scheduler.policies.policy:nothing", ":x"]
)
def test_a_policy_that_cannot_be_loaded_is_refused_in_one_line(name):
    with pytest.raises(SettingError, match=r"cannot be loaded .* module:function"):
        find_policy(name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("os:system", "belongs to Python itself"),
        ("scheduler.policies.policy:POLICIES", "is no function"),
        (
            "scheduler.policies.policy:apply_policy",
            "cannot be called like that .missing a required argument: 'context'",
        ),
    ],
)
def test_what_cannot_be_a_policy_is_refused_without_being_called(name, fault):
    with pytest.raises(SettingError, match=fault):
        find_policy(name)


def test_a_parameter_that_a_policy_does_not_take_is_refused():
    with pytest.raises(SettingError, match=r"takes no parameter 'luck'.*It takes: none"):
        policy_options("random", {"luck": 7.0})
    with pytest.raises(SettingError, match=r"no parameter 'quantil'.*Did you mean quantile\?"):
        policy_options("green_window", {"quantil": 0.5})


def test_a_parameter_out_of_its_bounds_is_refused():
    with pytest.raises(SettingError, match=r"quantile from 0 to 1, not 1\.5.*default is 0\.3"):
        policy_options("green_window", {"quantile": 1.5})
    assert policy_options("green_window", {"quantile": 0.5}) == {"quantile": 0.5, "horizon_h": 24.0}


@pytest.mark.parametrize("name", POLICIES)
def test_every_default_lies_within_its_bounds(name):
    for option in POLICIES[name].options.values():
        assert option.least <= option.default <= option.most


def raises(_question: SelectionContext) -> list[str]:
    """Fail, as anybody's code may."""
    return [1 / 0]  # type: ignore[list-item]


def names_strangers(_question: SelectionContext) -> list[str]:
    """Invite somebody who cannot be."""
    return ["nobody"]


@pytest.mark.parametrize(
    ("policy", "fault"),
    [(raises, "raised ZeroDivisionError"), (names_strangers, "chose a client twice or one")],
)
def test_a_policy_that_fails_stops_its_round_with_one_line(policy, fault, monkeypatch):
    module = types.ModuleType("somebodys")
    module.choose = policy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebodys", module)
    question = SelectionContext([known("a", 0.5, explored=True)], 1, 1, 3, NOON, Random(0))
    with pytest.raises(SettingError, match=fault):
        apply_policy("somebodys:choose", question)
