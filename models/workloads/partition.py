"""A partition: which examples each client holds. Pure functions of labels and a seed.

Every split of training examples but `resampled_split` gives each to exactly one client, and ten or
more to every client.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from common.errors import WorkloadError

IntArray = NDArray[np.int64]
"""Row numbers of one client's examples, ascending."""

SMALLEST = 10
"""Examples the smallest client gets."""


def iid_split(labels: ArrayLike, num_clients: int, *, seed: int) -> tuple[IntArray, ...]:
    """Split examples at random into equal parts; their sizes differ by one at most.

    Args:
        labels: The class of every example, `(num_examples,)`.
        num_clients: Among how many; at most a tenth of the examples.
        seed: The same seed gives the same split.

    Returns:
        The rows of every client.

    Raises:
        WorkloadError: If there are too many clients.
    """
    num_examples = len(np.asarray(labels))
    _check_enough(num_examples, num_clients)
    rows = np.random.default_rng(seed).permutation(num_examples)
    return tuple(np.sort(part) for part in np.array_split(rows, num_clients))


def dirichlet_split(
    labels: ArrayLike, num_clients: int, *, alpha: float = 0.5, seed: int = 0
) -> tuple[IntArray, ...]:
    """Split examples among clients so that their shares of every label differ.

    For each label, the shares of the clients are drawn from Dir(alpha); then the largest clients
    give random examples to those with fewer than ten.

    Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated
    Visual Classification", 2019, https://arxiv.org/abs/1909.06335; split by label as in Yurochkin
    et al., "Bayesian Nonparametric Federated Learning of Neural Networks", ICML 2019,
    https://arxiv.org/abs/1905.12022.

    Args:
        labels: The class of every example, `(num_examples,)`.
        num_clients: Among how many; at most a tenth of the examples.
        alpha: Concentration, above 0: the smaller, the more the clients differ. 0.5 is the usual
            choice for strong label skew.
        seed: The same seed gives the same split.

    Returns:
        The rows of every client.

    Raises:
        WorkloadError: If there are too many clients.
    """
    classes = np.asarray(labels)
    _check_enough(len(classes), num_clients)
    generator = np.random.default_rng(seed)
    owner = np.empty(len(classes), dtype=np.int64)
    for label in np.unique(classes):
        rows = generator.permutation(np.flatnonzero(classes == label))
        shares = generator.dirichlet(np.full(num_clients, alpha))
        ends = np.round(np.cumsum(shares) * len(rows))
        owner[rows] = np.searchsorted(ends, np.arange(len(rows)), side="right").clip(
            max=num_clients - 1
        )
    return _fed(owner, num_clients, generator)


def label_split(
    labels: ArrayLike, num_clients: int, *, shards_per_client: int = 2, seed: int
) -> tuple[IntArray, ...]:
    """Split examples so that a client knows few labels.

    The examples, sorted by label, are cut into equal shards, and every client is dealt as many
    of them at random. A shard holds one label, or two where one label ends inside it.

    McMahan, Moore, Ramage, Hampson and Agueera y Arcas, "Communication-Efficient Learning of Deep
    Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629, section 3,
    where every client gets two shards.

    Args:
        labels: The class of every example, `(num_examples,)`.
        num_clients: Among how many; at most a tenth of the examples.
        shards_per_client: About how many labels a client knows, at least 1.
        seed: The same seed gives the same split.

    Returns:
        The rows of every client.

    Raises:
        WorkloadError: If there are too many clients.
    """
    classes = np.asarray(labels)
    _check_enough(len(classes), num_clients)
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(len(classes))
    by_label = drawn[np.argsort(classes[drawn], kind="stable")]
    dealt = generator.permutation(np.repeat(np.arange(num_clients), shards_per_client))
    owner = np.empty(len(classes), dtype=np.int64)
    for client, shard in zip(dealt, np.array_split(by_label, len(dealt)), strict=True):
        owner[shard] = client
    return _fed(owner, num_clients, generator)


def correlated_split(
    labels: ArrayLike, clean: Sequence[bool], *, strength: float, seed: int
) -> tuple[IntArray, ...]:
    """Split examples so that clients on clean grids know other labels than those on dirty ones.

    The first half of the labels is at home on the clean grids. Of the examples that the clean
    clients hold, a share h + strength (1 - h) is of these labels, where h is their share of all
    examples. So 0 is a split at random, and at 1 the clean clients hold only half of the labels:
    who never trains on a dirty grid never sees the others. The clients of a group differ by
    chance alone. All clients hold equally many examples, unless the labels at home are too few to
    fill the clean ones.

    Args:
        labels: The class of every example, `(num_examples,)`.
        clean: Whether a client's grid is clean, `(num_clients,)`; both kinds must be there.
        strength: From 0 to 1.
        seed: The same seed gives the same split.

    Returns:
        The rows of every client.

    Raises:
        WorkloadError: If there are too many clients, or all are of one kind.
    """
    classes, is_clean = np.asarray(labels), np.asarray(clean, dtype=bool)
    _check_enough(len(classes), len(is_clean))
    if is_clean.all() or not is_clean.any():
        msg = (
            f"All {len(is_clean)} clients are on grids of one kind, so labels cannot be split by "
            f"kind and nothing was split. Name both clean and dirty clients, or split another way."
        )
        raise WorkloadError(msg)
    generator = np.random.default_rng(seed)
    known = np.unique(classes)
    rows = generator.permutation(len(classes))
    at_home = np.isin(classes[rows], known[: (len(known) + 1) // 2])
    room = len(rows) * is_clean.mean()
    foreign_share = (1 - at_home.mean()) * (1 - strength)
    num_foreign, num_home = round(room * foreign_share), round(room * (1 - foreign_share))
    home, foreign = rows[at_home], rows[~at_home]
    owner = np.empty(len(rows), dtype=np.int64)
    for group, parts in (
        (is_clean, (home[:num_home], foreign[:num_foreign])),
        (~is_clean, (home[num_home:], foreign[num_foreign:])),
    ):
        held, members = generator.permutation(np.concatenate(parts)), np.flatnonzero(group)
        for client, part in zip(members, np.array_split(held, len(members)), strict=True):
            owner[part] = client
    return _fed(owner, len(is_clean), generator)


def resampled_split(
    labels: ArrayLike, proportions: ArrayLike, *, size: int, seed: int
) -> tuple[IntArray, ...]:
    """Draw every client's examples with replacement: for more clients than the data feeds.

    No partition: one example may be at many clients, and more than once at one. Made to measure
    speed with many clients; what such a federation learns means little.

    Args:
        labels: The class of every example, `(num_examples,)`.
        proportions: The probability of every label, in ascending order of the labels, at every
            client, `(num_clients, num_labels)`; each row adds up to 1.
        size: How many examples every client draws.
        seed: The same seed gives the same draw.

    Returns:
        The rows of every client, repetitions included.
    """
    generator = np.random.default_rng(seed)
    _, label_of, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    by_label = np.argsort(label_of, kind="stable")
    starts = np.cumsum(counts) - counts
    drawn = generator.multinomial(size, np.asarray(proportions))
    label = np.repeat(np.broadcast_to(np.arange(len(counts)), drawn.shape).ravel(), drawn.ravel())
    offset = (generator.random(len(label)) * counts[label]).astype(np.int64)
    return tuple(np.sort(by_label[starts[label] + offset].reshape(len(drawn), size)))


def _check_enough(num_examples: int, num_clients: int) -> None:
    if num_clients * SMALLEST > num_examples:
        msg = (
            f"{num_examples} examples are too few for {num_clients} clients with {SMALLEST} or "
            f"more each, so nothing was split. Name at most {num_examples // SMALLEST} clients, "
            f"or draw the examples with replacement (resampled_split)."
        )
        raise WorkloadError(msg)


def _fed(owner: IntArray, num_clients: int, generator: np.random.Generator) -> tuple[IntArray, ...]:
    """Return the rows of every client, after the largest gave to those with too few."""
    sizes = np.bincount(owner, minlength=num_clients)
    while sizes.min() < SMALLEST:
        poorest, richest = sizes.argmin(), sizes.argmax()
        owner[generator.choice(np.flatnonzero(owner == richest))] = poorest
        sizes[poorest] += 1
        sizes[richest] -= 1
    return tuple(np.split(np.argsort(owner, kind="stable"), np.cumsum(sizes)[:-1]))


def matching_split(parts: Sequence[ArrayLike], labels: ArrayLike) -> tuple[IntArray, ...]:
    """Split test examples so that each client's have about the labels of what it trains on.

    Those of a label are dealt in the order in which they stand, to each client by its share of the
    training examples of that label. A client that would get none shares the first one of its most
    frequent label.

    Args:
        parts: The classes of each client's training examples.
        labels: The class of every test example, `(num_examples,)`; all that clients train on.

    Returns:
        The rows of every client.
    """
    tests = np.asarray(labels)
    known, places = np.unique(tests, return_inverse=True)
    counts = np.array([[(np.asarray(part) == label).sum() for label in known] for part in parts])
    rows: list[list[IntArray]] = [[] for _ in parts]
    for place, of_label in enumerate(counts.T):
        found = np.flatnonzero(places == place)
        if not of_label.sum():
            continue
        ends = np.round(np.cumsum(of_label) / of_label.sum() * len(found)).astype(int)
        for own, dealt in zip(rows, np.split(found, ends[:-1]), strict=True):
            own.append(dealt)
    return tuple(
        np.sort(np.concatenate(own))
        if sum(map(len, own))
        else np.flatnonzero(places == count.argmax())[:1]
        for own, count in zip(rows, counts, strict=True)
    )
