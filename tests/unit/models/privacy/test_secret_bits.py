"""Noise and coins: from fixed bits, so that what is tested is the same each time."""

import math

import pytest
import torch

from models.privacy.secret_bits import SecretBits, secret_of_seed

_MANY = 200_000


def _noise(std: float = 1.0) -> torch.Tensor:
    return SecretBits(secret_of_seed(7), "noise").noise(_MANY, std=std)


def test_noise_is_normal_with_the_standard_deviation_that_was_asked() -> None:
    noise = _noise(std=3.0) / 3.0
    near = 5 / math.sqrt(_MANY)  # five standard errors of a mean
    assert abs(float(noise.mean())) < near
    assert abs(float(noise.square().mean()) - 1) < near * math.sqrt(2)
    assert abs(float(noise.pow(4).mean()) - 3) < near * math.sqrt(96)


def test_noise_follows_the_normal_distribution_at_every_value() -> None:
    """The Kolmogorov distance is below its 0.1 % point, 1.95 / sqrt(n)."""
    ordered = _noise().sort().values
    expected = torch.special.ndtr(ordered)
    steps = torch.arange(1, _MANY + 1, dtype=torch.float64) / _MANY
    distance = max((steps - expected).max(), (expected - steps + 1 / _MANY).max())
    assert float(distance) < 1.95 / math.sqrt(_MANY)


def test_values_of_noise_do_not_depend_on_each_other() -> None:
    noise = _noise()
    for lag in (1, 2, 1 << 15):
        product = (noise[:-lag] * noise[lag:]).mean()
        assert abs(float(product)) < 5 / math.sqrt(_MANY - lag)


def test_each_record_is_sampled_by_its_own_coin() -> None:
    coins = SecretBits(secret_of_seed(7), "coins")
    samples = torch.zeros(400, 100)
    for sample in samples:
        sample[coins.rows(100, 0.2)] = 1
    assert abs(float(samples.mean()) - 0.2) < 5 * math.sqrt(0.16 / 40_000)
    # The sizes vary as those of independent coins do: 100 * 0.2 * 0.8.
    assert float(samples.sum(1).var()) == pytest.approx(16, rel=0.35)


def test_every_record_is_in_a_sample_of_rate_one() -> None:
    assert len(SecretBits(secret_of_seed(7), "coins").rows(1000, 1.0)) == 1000


def test_coins_and_noise_of_one_secret_are_different_streams() -> None:
    streams = [SecretBits(secret_of_seed(7), purpose) for purpose in ("coins", "noise")]
    assert not torch.equal(streams[0].uniform(10), streams[1].uniform(10))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SecretBits(b"short", "noise")
