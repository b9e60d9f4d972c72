"""A spending: what one private training costs, as accountants count it. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from common.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Spending:
    """Steps of the Poisson-subsampled Gaussian mechanism.

    Attributes:
        noise_multiplier: Standard deviation of the noise over the clip norm.
        sample_rate: With which probability a step sees a record.
        steps: How many there are.
    """

    noise_multiplier: float
    sample_rate: float
    steps: int


def spending_of(asked: Hyperparameters, num_examples: int) -> Spending:
    """Return what a training costs a site.

    Args:
        asked: The assignment's, with record privacy.
        num_examples: How many records the site has; at least 1.
    """
    return Spending(
        asked.noise_multiplier,
        min(1.0, asked.batch_size / num_examples),
        asked.expected_steps(num_examples),
    )


def usual_delta(num_examples: int) -> float:
    """Return the delta where a policy sets none: a tenth of one over the records.

    >>> usual_delta(2000)
    5e-05
    """
    return 1 / (10 * num_examples)
