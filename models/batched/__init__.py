"""Local training of many clients at once, for simulations: one tensor operation for all of them.

The same batches in the same order as `models.training.Trainer` draws for the same seed. Results
differ from its own by rounding: for digits by about 2e-7 of a delta's norm, after one epoch or
twenty; where rounding carries a unit over the kink of a ReLU, by more (2e-3 for the worst of 100
clients after twenty epochs). Where the model or the workload does not allow it, or it would be
slower, the plain loop trains, and the choice has the reason.
"""

from models.batched.client_work import ClientWork, Updates
from models.batched.cohort import Cohort

__all__ = ["ClientWork", "Cohort", "Updates"]
