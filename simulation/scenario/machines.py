"""Machines whose power and speed were published, for scenarios that measured none of their own."""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """Power while it trains, W, and examples it trains on each second."""

    power_w: float
    examples_per_s: float


_BATCH = 10


def _fedzero(batches_per_min: float, ws_per_batch: float) -> Machine:
    """Return a machine of FedZero's table, in our units."""
    per_s = batches_per_min / 60
    return Machine(power_w=round(per_s * ws_per_batch, 1), examples_per_s=round(per_s * _BATCH, 3))


MACHINES = {
    "T4": _fedzero(10.98, 383),
    "V100": _fedzero(38.3, 469),
    "A100": _fedzero(74.2, 566),
}
"""The three of Wiesner et al., "FedZero: Leveraging Renewable Excess Energy in Federated Learning",
e-Energy 2024, as its code has them (github.com/dos-group/fedzero at 1c8ae6a): batches of 10 a
minute and W s a batch, before the factor of the model that is trained. What it calls A100 takes
700 W there, more than the card does."""
