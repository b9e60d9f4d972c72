"""The evaluation of a version: its figures, and how many sites reported each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scheduler.ledger.events.base import Record

Evaluator = Literal["coordinator", "sites"]
"""Who evaluates a version: the coordinator on its test data, or sites on their held-out data."""


class Coverage(Record):
    """How much of an evaluation stands behind one figure.

    Attributes:
        sites: How many reported it.
        examples: Their held-out examples.
    """

    sites: int = Field(ge=0)
    examples: int = Field(ge=0)


class Evaluation(Record):
    """Loss and metrics of a version, on the coordinator's test data or as the mean over sites.

    Attributes:
        metrics: By name; `None` is unknown: NaN, infinite, or so at every site. A mean is taken
            over the sites that reported the metric, weighted by their held-out examples.
        sites: How many sites evaluated the version; 0 if the coordinator did.
        examples: Their held-out examples; 0 if the coordinator evaluated it.
        partly: Who reported the metrics that not all of these sites did.
    """

    metrics: dict[str, float | None]
    sites: int = Field(default=0, ge=0)
    examples: int = Field(default=0, ge=0)
    partly: dict[str, Coverage] = Field(default_factory=dict)

    def whole(self, metric: str) -> float | None:
        """Return a metric that everybody who evaluated the version reported; `None` if not so.

        Versions are ranked by such values alone: a mean that lacks a site is no mean of the others.
        """
        return None if metric in self.partly else self.metrics.get(metric)
