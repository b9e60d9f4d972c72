"""Intake: what an answer that arrives in a simulation is worth, and what it makes known."""

from __future__ import annotations

from datetime import datetime

from common.clock import GridClock
from common.errors import UpdateError
from common.messages import Reason, Receipt
from common.settings.carbon import GateSettings
from models.batched import ClientWork
from models.update import check_norm
from scheduler.carbon.grid import Grid
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Admission, ReceiptPayload, UpdateAccepted, UpdateRefused
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.admission import admitted_body, counted_examples
from scheduler.rounds.drafts import answered_body
from scheduler.rounds.receipt import event_kind, worth
from scheduler.selection.plan import derive_seed
from simulation.ports.journal import Journal
from simulation.ports.learning import Learner
from simulation.ports.work import Arrival, OnTheWay

_NETWORK_KWH_PER_GB = float(GateSettings.model_fields["network_kwh_per_gb"].default)

_CLOCK = GridClock()
"""Both clocks of a simulation agree."""


class Intake:
    """Takes answers. Who trains is decided here: only those whose updates will count.

    Args:
        spec: The run's.
        learner: Trains.
        journal: Tells the state.
        grid: Tells the intensities.
        answers: Those on the way: of a round's updates the first will count.
    """

    def __init__(
        self, spec: RunSpec, learner: Learner, journal: Journal, grid: Grid, answers: OnTheWay
    ) -> None:
        self._spec = spec
        self._learner = learner
        self._journal = journal
        self._grid = grid
        self._answers = answers

    def take(self, answer: Arrival, now: datetime) -> Draft:
        """Return the event that a receipt makes, as production's task does.

        Args:
            answer: It has just arrived.
            now: When that is.
        """
        state, receipt = self._journal.state, answer.receipt
        value = worth(state, receipt)
        found: Admission | Reason | None = None
        if value == "count":
            receipt, found = self._weigh(answer, now)
        work = answered_body(
            state, self._grid, _CLOCK, receipt,
            pulled_nbytes=0 if receipt.outcome == "declined" else self._learner.pulled_nbytes,
            network_kwh_per_gb=_NETWORK_KWH_PER_GB,
        )  # fmt: skip
        payload: ReceiptPayload
        if isinstance(found, Admission):
            payload = UpdateAccepted(work=work, admission=found)
        elif found is not None:
            payload = UpdateRefused(work=work, refusal=found)
        else:
            payload = event_kind(value, receipt)(work=work)
        return Draft(payload, run=receipt.run, round=receipt.round, client=receipt.client)

    def _weigh(self, answer: Arrival, now: datetime) -> tuple[Receipt, Admission | Reason]:
        """Return an update's whole receipt, and what it counts for, or why it is refused."""
        client = answer.client
        figures = self._learner.figures(client)
        if figures is None:
            self._train_with(client)
            figures = self._learner.figures(client)
        assert figures is not None and answer.receipt.update is not None  # noqa: S101, PT018 - it trained
        receipt = answer.receipt.model_copy(
            update={
                "loss": figures.loss, "utility": figures.utility, "metrics": figures.metrics,
                "num_held_out": figures.num_held_out,
            }
        )  # fmt: skip
        try:
            num_examples = counted_examples(self._journal.state, receipt)
            check_norm(f"of {client}", figures.norm, norm_bound=self._spec.norm_bound)
        except UpdateError as error:
            return receipt, Reason(code="admission", text=str(error))
        admission = admitted_body(
            self._journal.state, receipt, sha256=answer.receipt.update.sha256,
            nbytes=answer.receipt.update.nbytes, norm=figures.norm, num_examples=num_examples,
            wall_now=now,
        )  # fmt: skip
        return receipt, admission

    def _train_with(self, client: str) -> None:
        """Train this client and all others whose updates are likely to count in the round."""
        round_ = self._journal.state.runs[self._spec.id].open_round
        assert round_ is not None  # noqa: S101 - an update counts in an open round alone
        places = round_.target - len(round_.accepted) - 1
        others = self._answers.first(round_.number, places, until=round_.deadline)
        epochs = self._spec.hyperparameters.epochs
        self._learner.train(
            [
                ClientWork(
                    name, derive_seed(self._spec.seed, self._spec.id, round_.number, name),
                    round_.cohort[name].epochs or epochs,
                )
                for name in sorted({client, *others})
                if self._learner.figures(name) is None
            ]
        )  # fmt: skip
