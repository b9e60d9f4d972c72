"""What local training for one assignment gave."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.memory import Memory
from models.metric_values import Metrics
from models.update import State


@dataclass(frozen=True)
class LocalResult:
    """What one assignment gave.

    Attributes:
        delta: What training changed.
        num_examples: On how many examples in each epoch; fewer than there are with `drop_last`.
        num_steps: How many steps the optimizer took; those skipped, as their gradients overflowed
            in fp16, are none. `None` if a loop of the user's did not count them.
        loss: Mean training loss over the examples of the last epoch, or of as many steps as an
            epoch has; NaN if training diverged.
        utility: The client's statistical utility: num_examples * sqrt(mean of loss**2 over the
            batches of the last epoch). Lai, Zhu, Madhyastha and Chowdhury, "Oort: Efficient
            Federated Learning via Guided Participant Selection", OSDI 2021,
            https://www.usenix.org/conference/osdi21/presentation/lai, equation 1, with batches
            in place of single examples.
        metrics: Of the base model on held-out data, or of the site's own where the run leaves it
            one; empty if the coordinator tests.
        num_held_out: On how many examples those are; 0 if the coordinator tests.
        memory: What the client is to remember for its next update.
    """

    delta: State
    num_examples: int
    num_steps: int | None
    loss: float
    utility: float
    metrics: Metrics = field(default_factory=dict)
    num_held_out: int = 0
    memory: Memory = field(default_factory=dict)
