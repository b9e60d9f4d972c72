"""What a run has spent of the privacy of its sites' records, and what that figure covers."""

from __future__ import annotations

from typing import Any

from scheduler.federation.run import Run

CLAIM = (
    ("unit", "one record of a site"),
    ("neighbours", "data sets that differ by one record, added or removed"),
    ("accountant", "PRV (Opacus), at each site, upper bound"),
    ("sampling", "Poisson, at the site, with coins that nobody else knows"),
    ("amplification", "by the samples of records; none by the choice of clients"),
    ("trust", "each site adds its own noise: nobody else is trusted with it"),
)
"""What an epsilon of a run means."""

NOT_COVERED = (
    "when the site was invited and took part",
    "the number of its examples and steps",
    "its energy and its times",
    "other runs on the same records, which `fairwind site privacy` counts at the site",
)
"""What no noise covers."""


def privacy_of(run: Run) -> dict[str, Any] | None:
    """Return what each site has spent for a run, and what that covers; `None` of another run."""
    asked = run.spec.hyperparameters
    if not asked.is_private:
        return None
    return {
        "noise_multiplier": asked.noise_multiplier,
        "sites": {
            client: spent.model_dump(mode="json") for client, spent in sorted(run.privacy.items())
        },
        **dict(CLAIM),
        "not_covered": list(NOT_COVERED),
    }
