"""Metrics of which all are known, as tests compare them."""

from __future__ import annotations

from collections.abc import Mapping


def known(metrics: Mapping[str, float | None] | None) -> dict[str, float]:
    """Return metrics, none of which is unknown."""
    assert metrics is not None
    found = {name: value for name, value in metrics.items() if value is not None}
    assert len(found) == len(metrics), metrics
    return found
