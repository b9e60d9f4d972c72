"""Splits give every example away once, leave nobody with too few, and differ as they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import WorkloadError
from models.workloads import breast_cancer, digits
from models.workloads.partition import (
    IntArray,
    correlated_split,
    dirichlet_split,
    iid_split,
    label_split,
    matching_split,
    resampled_split,
)

SEEDS = st.integers(0, 2**32)
LABELS = st.lists(st.integers(0, 6), min_size=200, max_size=260).map(np.array)
CLIENTS = st.integers(1, 20)

SPLITS = {
    "iid": lambda labels, n, seed: iid_split(labels, n, seed=seed),
    "dirichlet": lambda labels, n, seed: dirichlet_split(labels, n, seed=seed),
    "very skewed": lambda labels, n, seed: dirichlet_split(labels, n, alpha=0.01, seed=seed),
    "two shards": lambda labels, n, seed: label_split(labels, n, seed=seed),
    "one shard": lambda labels, n, seed: label_split(labels, n, shards_per_client=1, seed=seed),
}


def check_is_partition(parts: Sequence[IntArray], num_examples: int) -> None:
    assert sorted(np.concatenate(parts).tolist()) == list(range(num_examples))
    assert min(len(part) for part in parts) >= 10
    assert all((np.diff(part) > 0).all() for part in parts)


def same(parts: Sequence[IntArray], others: Sequence[IntArray]) -> bool:
    return all(np.array_equal(part, other) for part, other in zip(parts, others, strict=True))


@pytest.mark.parametrize("name", SPLITS)
@given(labels=LABELS, num_clients=CLIENTS, seed=SEEDS)
def test_every_example_is_at_one_client_and_nobody_has_less_than_ten(
    name, labels, num_clients, seed
):
    parts = SPLITS[name](labels, num_clients, seed)
    assert len(parts) == num_clients
    check_is_partition(parts, len(labels))
    assert same(parts, SPLITS[name](labels.tolist(), num_clients, seed))


@pytest.mark.parametrize("name", SPLITS)
def test_too_many_clients_are_refused_with_a_way_out(name):
    with pytest.raises(WorkloadError, match=r"200 examples.*21 clients.*at most 20.*resampled"):
        SPLITS[name](np.zeros(200), 21, 0)


@given(LABELS, CLIENTS, SEEDS)
def test_parts_of_a_random_split_are_equally_large(labels, num_clients, seed):
    sizes = [len(part) for part in iid_split(labels, num_clients, seed=seed)]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 4), st.integers(1, 4), st.integers(10, 15), SEEDS)
def test_a_client_knows_as_many_labels_as_it_has_shards(clients, shards, size, seed):
    # One label fills one shard exactly, so no shard holds two.
    labels = np.repeat(np.arange(clients * shards), size)
    parts = label_split(labels, clients, shards_per_client=shards, seed=seed)
    assert [len(np.unique(labels[part])) for part in parts] == [shards] * clients


def test_the_smaller_alpha_the_more_clients_differ():
    labels = np.arange(2000) % 10

    def largest_share(alpha: float) -> float:
        parts = dirichlet_split(labels, 10, alpha=alpha)
        return float(np.mean([np.bincount(labels[part]).max() / len(part) for part in parts]))

    # With ten labels, 0.1 would be all alike, 1 a label each.
    assert largest_share(100.0) < 0.2 < largest_share(0.5) < 0.6 < largest_share(0.01)


@pytest.mark.parametrize(
    ("workload", "sizes", "sums"),
    [
        (digits, [331, 336, 417, 353], [231811, 247942, 288655, 263358]),
        (breast_cancer, [186, 78, 170, 21], [46506, 20911, 31166, 4702]),
    ],
)
def test_the_split_among_sites_stays_as_it_is(workload, sizes, sums):
    """Sites of one federation may run different versions: none may get another's examples."""
    parts = dirichlet_split(workload.train_examples().tensors[-1].numpy(), 4)
    assert [len(part) for part in parts] == sizes
    assert [int(part.sum()) for part in parts] == sums


@given(
    LABELS,
    st.lists(st.booleans(), min_size=2, max_size=20).filter(lambda c: len(set(c)) == 2),
    st.floats(0, 1),
    SEEDS,
)
def test_correlated_labels_are_split_whatever_they_are(labels, clean, strength, seed):
    parts = correlated_split(labels, clean, strength=strength, seed=seed)
    assert len(parts) == len(clean)
    check_is_partition(parts, len(labels))
    assert same(parts, correlated_split(labels, clean, strength=strength, seed=seed))


@pytest.mark.parametrize(
    ("strength", "num_home", "num_foreign"),
    [
        (0.0, 50, 50),  # half of all examples are of a label at home, so half of the 2 x 50 are
        (0.5, 75, 25),  # 0.5 + 0.5 * (1 - 0.5) = 0.75
        (1.0, 100, 0),
    ],
)
def test_strength_is_the_way_from_chance_to_only_half_of_the_labels(
    strength, num_home, num_foreign
):
    labels = np.repeat([0, 1, 2, 3], 50)
    parts = correlated_split(labels, [True, False, False, True], strength=strength, seed=1)
    assert [len(part) for part in parts] == [50, 50, 50, 50]
    on_clean_grids = labels[np.concatenate([parts[0], parts[3]])]
    assert (on_clean_grids <= 1).sum() == num_home
    assert (on_clean_grids > 1).sum() == num_foreign


@given(st.integers(1, 5), st.integers(1, 5), SEEDS)
def test_at_full_strength_no_clean_client_knows_the_other_half(num_clean, num_dirty, seed):
    labels = np.arange(300) % 6
    clean = [True] * num_clean + [False] * num_dirty
    parts = correlated_split(labels, clean, strength=1.0, seed=seed)
    assert all((labels[part] < 3).all() for part in parts[:num_clean])
    assert (labels[np.concatenate(parts[num_clean:])] >= 3).sum() == 150


@pytest.mark.parametrize("clean", [[True, True], [False, False]])
def test_grids_of_one_kind_cannot_be_correlated(clean):
    with pytest.raises(WorkloadError, match="Name both clean and dirty clients"):
        correlated_split(np.arange(40) % 2, clean, strength=1.0, seed=0)


def test_resampled_examples_have_the_labels_asked_for():
    labels = np.array([5, 3, 3, 5, 3, 9])
    proportions = np.array([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]])
    parts = resampled_split(labels, proportions, size=40, seed=0)
    assert [len(part) for part in parts] == [40, 40, 40]
    assert set(parts[0].tolist()) == {1, 2, 4}  # label 3
    assert set(parts[1].tolist()) == {0, 3, 5}  # labels 5 and 9
    assert parts[2].tolist() == [5] * 40
    # 40 draws of a fair coin: 20 +- 3.2, and four deviations either way
    assert 7 < (labels[parts[1]] == 9).sum() < 33


def test_a_thousand_clients_draw_from_the_digits():
    labels = digits.train_examples().tensors[-1].numpy()
    proportions = np.random.default_rng(0).dirichlet(np.full(10, 0.5), size=1000)
    parts = resampled_split(labels, proportions, size=14, seed=0)
    assert [len(part) for part in parts] == [14] * 1000
    assert same(parts, resampled_split(labels, proportions, size=14, seed=0))
    assert len(np.unique(np.concatenate(parts))) > 1400  # of 1437, nearly all are at somebody's


def test_matching_tests_have_the_labels_of_what_each_client_trains_on():
    # 3 of 4 zeros are the first client's, and all ones the second's
    rows = matching_split([[0, 0, 0], [0, 1]], [0, 1, 0, 1, 0, 0])
    assert [part.tolist() for part in rows] == [[0, 2, 4], [1, 3, 5]]


def test_a_client_whose_share_of_the_tests_is_none_gets_one_of_its_most_frequent_label():
    rows = matching_split([[0] * 99, [0]], [0, 0])
    assert [part.tolist() for part in rows] == [[0, 1], [0]]


def test_labels_that_nobody_trains_on_are_dealt_to_nobody():
    assert [part.tolist() for part in matching_split([[0], [0]], [0, 2, 0])] == [[0], [2]]
