"""Laws of robust rules: the same bits for any order, and liars that cannot move the result far."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.robust import RULES, parse_robust
from models.aggregation import stacked_mean
from models.robust.gram import gram
from models.robust.robust_mean import RobustMean, robust_mean
from models.robust.rows import FileRows, StackedRows
from models.robust.sorting import exchange, network, parting
from models.serialization import write_state
from models.tensor_file import TensorSpec

BOUND = 1e6
RULE_NAMES = [rule for rule in RULES if rule != "mean"]


def asked(rule: str, f: int) -> str:
    return rule if rule in ("median", "geometric-median", "centered-clipping") else f"{rule}:{f}"


def drawn(seed: int, count: int, *, num_values: int = 30) -> torch.Tensor:
    return torch.randn(count, num_values, generator=torch.Generator().manual_seed(seed))


def combined(updates: torch.Tensor, rule: str) -> RobustMean:
    return robust_mean(StackedRows({"w": updates}), parse_robust(rule), norm_bound=BOUND)


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), f=st.integers(1, 3), order=st.randoms(use_true_random=False))
def test_the_order_of_updates_changes_no_bit(rule: str, seed: int, f: int, order: object) -> None:
    updates = drawn(seed, 2 * f + 2)
    rows = list(range(len(updates)))
    order.shuffle(rows)  # type: ignore[attr-defined]
    before, after = combined(updates, asked(rule, f)), combined(updates[rows], asked(rule, f))
    assert torch.equal(before.means["w"], after.means["w"])
    assert tuple(before.kept.shares[row] for row in rows) == after.kept.shares


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_updates_that_agree_are_their_own_mean(rule: str) -> None:
    one = drawn(1, 1)
    # Mixing rounds to 18 bits of the largest value of a piece or better.
    assert combined(one.repeat(7, 1), asked(rule, 2)).means["w"].numpy() == pytest.approx(
        one[0].numpy(), abs=2.0**-18 * float(one.abs().max())
    )


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32), f=st.integers(1, 3),
    scale=st.sampled_from([0.0, 1.0, 30.0, 1e4]), kind=st.sampled_from(["noise", "same", "minus"]),
)  # fmt: skip
def test_liars_move_the_result_no_further_than_honest_updates_lie_apart(
    rule: str, seed: int, f: int, scale: float, kind: str
) -> None:
    count = 4 * f + 3
    updates = drawn(seed, count) + 2.0
    honest = updates[f:].clone()
    if kind == "noise":
        updates[:f] = scale * drawn(seed + 1, f)
    else:
        updates[:f] = honest.mean(dim=0) * (scale if kind == "same" else -scale)
    result = combined(updates, asked(rule, f)).means["w"]
    middle = honest.mean(dim=0)
    apart = float((honest - middle).norm(dim=1).max())
    reach = 2.0 * apart if rule != "centered-clipping" else 2.0 * float(honest.norm(dim=1).max())
    assert float((result - middle).norm()) <= reach
    if kind == "minus" and scale > 1000:
        assert float((updates.mean(dim=0) - middle).norm()) > 10 * apart  # the mean is moved


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), spread=st.integers(-60, 60))
def test_the_gram_matrix_is_that_of_the_updates(seed: int, spread: int) -> None:
    updates = drawn(seed, 5, num_values=200)
    updates[0] *= 2.0**spread
    exact = updates.double().numpy() @ updates.double().numpy().T
    norms = np.sqrt(np.diag(exact))
    ours = gram(StackedRows({"w": updates}), norm_bound=math.inf)
    assert np.abs(ours - exact).max(initial=0.0, where=True) <= 1e-4 * norms.max() ** 2
    assert (np.abs(ours - exact) <= 1e-4 * np.outer(norms, norms)).all()


def test_the_gram_matrix_is_the_same_however_many_values_are_multiplied_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updates = StackedRows({"w": drawn(3, 6, num_values=70_000)})
    whole = gram(updates, norm_bound=math.inf)
    monkeypatch.setattr("models.robust.gram.CHUNK", 37)
    assert np.array_equal(gram(updates, norm_bound=math.inf), whole)


@pytest.mark.parametrize("count", range(1, 14))
def test_the_network_sorts_all_zeros_and_ones(count: int) -> None:
    # What sorts these sorts everything: Knuth, "The Art of Computer Programming" 3, 5.3.4.
    columns = (np.arange(2**count)[None, :] >> np.arange(count)[:, None]) & 1
    values = columns.astype(np.float32)
    rows = np.array(exchange(values.copy(), network(count)))
    assert np.array_equal(rows, np.sort(values, axis=0))
    for f in range(1, (count - 1) // 2 + 1):
        parted = np.array(exchange(values.copy(), parting(count, f)))
        for part in (slice(f), slice(f, count - f), slice(count - f, count)):
            assert np.array_equal(parted[part].sum(axis=0), rows[part].sum(axis=0))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("encoding", ["float32", "mxint8"])
def test_updates_on_disk_give_the_bits_of_those_in_memory(
    tmp_path: Path, rule: str, encoding: str
) -> None:
    from models.update_encoding import decoded, encoded  # noqa: PLC0415

    signature = {"w": TensorSpec(torch.float32, (700, 101))}
    deltas, paths = [], []
    for row, values in enumerate(drawn(9, 7, num_values=70_700)):
        sent = encoded({"w": values.view(700, 101)}, encoding, seed=row)
        write_state(sent, tmp_path / str(row))
        deltas.append(decoded(sent, signature)["w"])
        paths.append(tmp_path / str(row))
    in_memory = robust_mean(
        StackedRows({"w": torch.stack(deltas)}), parse_robust(asked(rule, 2)), norm_bound=BOUND
    )
    with FileRows(paths, signature, encoding=encoding) as rows:
        on_disk = robust_mean(rows, parse_robust(asked(rule, 2)), norm_bound=BOUND)
    assert torch.equal(on_disk.means["w"], in_memory.means["w"])
    assert on_disk.kept == in_memory.kept


def test_nothing_is_mixed_away_where_nobody_lies() -> None:
    updates = drawn(4, 9)
    ((_, mean),) = stacked_mean({"w": updates}, [1] * 9, norm_bound=BOUND)
    for rule in ("nnm-trimmed:1", "multi-krum:1", "geometric-median"):
        made = combined(updates, rule).means["w"]
        assert float((made - mean).norm()) < 0.5 * float(mean.norm())
