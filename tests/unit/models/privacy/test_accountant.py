"""The accountant against figures that others published or that can be worked out."""

import math

import pytest
import torch

from common.hyperparameters import Hyperparameters
from models.privacy.accountant import epsilon_of
from models.privacy.spending import Spending, spending_of

pytest.importorskip("opacus")


def test_it_agrees_with_a_published_run() -> None:
    """Sigma 1, q 0.032, 1,000 steps, delta 1e-5: 6.60 by PRV, 7.24 by RDP."""
    assert epsilon_of([Spending(1.0, 0.032, 1000)], 1e-5) == pytest.approx(6.60, abs=0.04)


@pytest.mark.parametrize(
    ("num_examples", "batch", "steps", "target", "sigma"),
    [(2000, 64, 1550, 8, 1.03), (10_000, 256, 2000, 3, 1.88)],
)
def test_it_stays_below_what_rdp_was_calibrated_to(
    num_examples: int, batch: int, steps: int, target: float, sigma: float
) -> None:
    found = epsilon_of([Spending(sigma, batch / num_examples, steps)], 1 / (10 * num_examples))
    assert 0.85 * target < found <= target * 1.005


def test_without_sampling_it_is_the_gaussian_mechanism() -> None:
    """Ten steps of sigma 1 are one of sensitivity sqrt(10): Balle and Wang 2018, theorem 8."""
    epsilon, mu = epsilon_of([Spending(1.0, 1.0, 10)], 1e-4), math.sqrt(10)
    low, high = (torch.special.ndtr(torch.tensor(s - epsilon / mu, dtype=torch.float64))
                 for s in (-mu / 2, mu / 2))  # fmt: skip
    assert 0.5e-4 < float(high - math.exp(epsilon) * low) <= 1e-4


def test_neither_order_nor_parts_matter() -> None:
    one, other = Spending(1.0, 0.1, 20), Spending(2.0, 0.05, 10)
    whole = epsilon_of([other, one], 1e-4)
    assert epsilon_of([Spending(1.0, 0.1, 12), other, Spending(1.0, 0.1, 8)], 1e-4) == whole
    assert whole > epsilon_of([one], 1e-4)


def test_nothing_spent_is_zero() -> None:
    assert epsilon_of([], 1e-5) == 0


def test_what_protects_nobody_is_counted_without_a_large_grid() -> None:
    assert epsilon_of([Spending(0.3, 1.0, 1000)], 1e-4) > 1000


def test_a_training_costs_its_poisson_steps() -> None:
    asked = Hyperparameters(privacy="record", epochs=3, batch_size=32)
    assert spending_of(asked, 100) == Spending(1.0, 0.32, 9)  # 300 / 32 rounded
    assert spending_of(asked, 10) == Spending(1.0, 1.0, 1)
