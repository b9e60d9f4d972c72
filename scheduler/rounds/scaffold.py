"""SCAFFOLD in rounds: how far local steps reach, and over whom its control variates are the mean.

See `models.algorithms.scaffold` for the algorithm.
"""

from __future__ import annotations

from common.hyperparameters import Hyperparameters
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round
from scheduler.ledger.events import ControlTerms
from scheduler.rounds.fednova import effective_steps


def reach(hyperparameters: Hyperparameters, num_steps: int) -> float:
    """Return how far a constant gradient of 1 moves a model: learning rate times effective steps.

    Args:
        hyperparameters: Of the round.
        num_steps: That the client took.

    >>> reach(Hyperparameters(learning_rate=0.5), 10)
    5.0
    """
    eta = hyperparameters.learning_rate
    pull = hyperparameters.proximal_mu + hyperparameters.weight_decay
    momentum = hyperparameters.momentum
    return eta * effective_steps(num_steps, learning_rate=eta, momentum=momentum, mu=pull)


def control_terms(state: Federation, run: Run, round_: Round) -> ControlTerms | None:
    """Return what the control variates of a round depend on; `None` where its run has none.

    The mean is over the clients that are enrolled; one that is retired counts no more once no
    update of it does.
    """
    if run.spec.algorithm != "scaffold":
        return None
    gone = {id_ for id_, client in state.clients.items() if client.retired} - round_.accepted.keys()
    steps = {client: update.num_steps for client, update in sorted(round_.accepted.items())}
    return ControlTerms(
        num_clients=len(state.clients.keys() - gone),
        num_steps={client: known for client, known in steps.items() if known is not None},
        left=tuple(sorted(gone & run.controls.clients.keys())),
    )
