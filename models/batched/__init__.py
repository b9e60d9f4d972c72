"""Local training of many clients at once, for simulations: one tensor operation for all of them.

The same batches in the same order as `models.training.Trainer` draws for the same seed; the
results differ from its own by rounding alone (a test holds a round of digits to 1e-5 of each
delta's norm). Where the model or the workload does not allow it, or it would be slower, the
plain loop trains, and the choice says why.
"""

from models.batched.cohort import Cohort
from models.batched.work import Updates, Work

__all__ = ["Cohort", "Updates", "Work"]
