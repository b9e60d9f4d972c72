"""Ditto: beside the global model each site trains one of its own, drawn to the global one.

Li, Hu, Beirami and Smith, "Ditto: Fair and Robust Federated Learning Through Personalization",
ICML 2021, https://arxiv.org/abs/2012.04221, algorithm 1: with the pulled model x and the site's own
model v, each step is v <- v - eta * (grad f(v) + lambda * (v - x)). The update is that of the
global model alone; v never leaves the site.
"""

from __future__ import annotations

from common.hyperparameters import Hyperparameters


def of_own_model(hyperparameters: Hyperparameters) -> Hyperparameters:
    """Return how a site trains its own model: as the global one, but drawn to that by lambda.

    Args:
        hyperparameters: The run's, with `ditto`.
    """
    mu = hyperparameters.ditto or 0.0
    return hyperparameters.model_copy(update={"proximal_mu": mu, "ditto": None})
