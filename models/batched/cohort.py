"""A cohort: trainers of many clients, loaded once and kept warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.messages import Hyperparameters
from models.batched.arrangement import Arrangement, arrange
from models.batched.batch_schedule import Examples, draw_batches
from models.batched.client_work import ClientWork, Updates
from models.batched.results import UpdateRows
from models.batched.stack import Stacked, train_stack
from models.batched.trainer_choice import choose
from models.training import Trainer
from models.update import State
from models.workload import Data, Workload, blamed


class Cohort:
    """Trainers of many clients, loaded once; every round starts from a clean slate.

    Attributes:
        batched: Whether clients train at once, but for the few for whom it is faster to take
            their turn; else all train one after the other.
        reason: Why, in one sentence.
    """

    def __init__(
        self,
        workload: Workload,
        data: Mapping[str, Data],
        *,
        held_out: Mapping[str, Data] | None = None,
        batched: bool | None = None,
    ) -> None:
        """Load the model, and choose how to train.

        Args:
            workload: Whose model and loss.
            data: Every client's examples, at least one client.
            held_out: What clients score the pulled model on, if the coordinator does not test.
            batched: Whether to train all at once, without exception; `None` if that is possible
                and pays.

        Raises:
            WorkloadError: If the workload raises, a client has no examples, or it is to be batched
                and cannot be.
            UpdateError: If the model has parameters that cannot be averaged.
        """
        if not data:
            msg = "The cohort has no clients, so nothing can be trained. Give data of at least one."
            raise WorkloadError(msg)
        own = held_out or {}
        first, *_ = data
        self._workload = workload
        self._lead = Trainer.of(workload, data[first], own.get(first))
        self._trainers = {
            client: self._lead.sharing(examples, own.get(client))
            for client, examples in data.items()
        }
        self._turns = batched is None
        self.batched, self.reason = self._choose(data, batched=batched)
        if self.batched:
            model = self._lead.model
            tensors = cast("Mapping[str, TensorDataset]", data)
            self._examples = Examples.of(tensors, next(model.parameters()).device)
            self._values = sum(p.numel() for p in model.parameters() if p.requires_grad)

    def train(
        self, base: State, works: Sequence[ClientWork], *, hyperparameters: Hyperparameters
    ) -> Updates:
        """Train from a base model. The result depends on the arguments and the data alone.

        Permuting the works permutes the result, to the bit. Batched, the last bits of a client's
        result may depend on the clients beside it, and on torch's number of threads.

        Args:
            base: The state that is pulled; not changed.
            works: The clients that train, with seeds and epochs; at least one.
            hyperparameters: The run's; the epochs are those of the works.

        Raises:
            UpdateError: If the base is another model's.
            WorkloadError: If the workload raises, there is no work, or a client is unknown.
        """
        unknown = sorted({work.client for work in works} - self._trainers.keys())
        if unknown or not works:
            which = f"no data of {', '.join(unknown[:3])}" if unknown else "nothing to do"
            msg = f"The cohort has {which}, so no client trained. Train clients whose data it has."
            raise WorkloadError(msg)
        arrangement = self._arrange(works, hyperparameters.batch_size)
        results = UpdateRows(works, self._lead.signature)
        for place in arrangement.in_turn:
            work, trainer = works[place], self._trainers[works[place].client]
            own = hyperparameters.model_copy(update={"epochs": work.epochs})
            results.put(place, trainer.train(base, hyperparameters=own, seed=work.seed))
        for places in arrangement.stacks:
            stack = [works[place] for place in places]
            trainers = [self._trainers[work.client] for work in stack]
            scores = [trainer.score(base) for trainer in trainers]
            trained = self._train_stack(base, stack, hyperparameters)
            results.put_stack(places, trained, [t.num_examples for t in trainers], scores)
        return results.updates()

    def _choose(self, data: Mapping[str, Data], *, batched: bool | None) -> tuple[bool, str]:
        if batched is False:
            return False, "the plain loop was chosen"
        choice = choose(self._workload, data, self._lead)
        if not batched:
            return choice.possible and choice.pays, choice.reason
        if not choice.possible:
            msg = (
                f"Training cannot be batched: {choice.reason}. So nothing was trained. "
                f"Leave the choice open, and a plain loop trains."
            )
            raise WorkloadError(msg)
        return True, "batches were chosen"

    def _arrange(self, works: Sequence[ClientWork], batch_size: int) -> Arrangement:
        if not self.batched:
            return Arrangement(in_turn=list(range(len(works))), stacks=[])
        return arrange(
            self._examples,
            works,
            batch_size=batch_size,
            values=self._values,
            turns=self._turns,
        )

    def _train_stack(
        self, base: State, works: Sequence[ClientWork], hyperparameters: Hyperparameters
    ) -> Stacked:
        model = self._lead.reset(base)
        with blamed(self._workload, "round"):
            return train_stack(
                model,
                self._workload.loss,
                base,
                signature=self._lead.signature,
                examples=self._examples,
                schedule=draw_batches(self._examples, works, batch_size=hyperparameters.batch_size),
                hyperparameters=hyperparameters,
            )
