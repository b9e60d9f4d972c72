"""The algorithms by which a run makes one version of the updates of many clients."""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["fedavg", "fednova", "scaffold"]
"""``fedavg``: the mean of the deltas. ``fednova``: of the deltas a step, times the mean number of
steps; see `scheduler.rounds.fednova`. ``scaffold``: the mean of the deltas, each client alike, with
local steps that control variates correct; see `models.algorithms.scaffold`."""
