"""A cohort: trainers of many clients, loaded once and kept warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched.arrangement import Arrangement, arrange
from models.batched.batch_schedule import Examples, draw_batches
from models.batched.client_work import ClientWork, Updates
from models.batched.results import HeldOutScore, UpdateRows
from models.batched.stack import Stacked, train_stack
from models.batched.trainer_choice import choose
from models.local_part import LocalPart
from models.memory import Memory
from models.privacy.secret_bits import secret_of_seed
from models.training import Trainer
from models.update import State
from models.workload import Data, Workload, blamed


class Cohort:
    """Trainers of many clients, loaded once; every round starts from a new model.

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
            held_out: What clients score the pulled model on, if the run's sites evaluate.
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
            model = self._lead.models.new()
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
        arrangement = self._arrange(works, hyperparameters)
        results = UpdateRows(works, self._lead.layers(works[0].part.personal).shared)
        for place in arrangement.in_turn:
            work, trainer = works[place], self._trainers[works[place].client]
            own = hyperparameters.with_epochs(work.epochs)
            result = trainer.train(
                base,
                hyperparameters=own,
                seed=work.seed,
                scores=not hyperparameters.is_private,
                part=work.part,
                memory=work.memory,
                correction=work.correction,
                secret=secret_of_seed(work.seed),
            )
            results.put(place, result)
        for places in arrangement.stacks:
            stack = [works[place] for place in places]
            pairs = [(self._trainers[work.client], work) for work in stack]
            scores = [trainer.score(base, work.part, work.memory) for trainer, work in pairs]
            trained = self._train_stack(base, stack, hyperparameters)
            results.put_stack(places, trained, scores)
        return results.updates()

    def score(self, base: State, part: LocalPart, memory: Memory) -> HeldOutScore:
        """Return a model's metrics on a client's held-out data, and of how many examples.

        It is the base model, or the client's own where the run leaves it one.
        """
        return self._trainers[part.client].score(base, part, memory)

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

    def _arrange(
        self, works: Sequence[ClientWork], hyperparameters: Hyperparameters
    ) -> Arrangement:
        # A stack's step has one batch, and in fp16 skips for all clients or for none. It has one
        # start, too: a client with layers, or a model, of its own is not in one.
        in_turn = hyperparameters.accumulate > 1 or hyperparameters.precision != "fp32"
        in_turn = in_turn or hyperparameters.is_private  # each has samples of its own
        own = hyperparameters.ditto is not None or any(work.part.personal for work in works)
        if not self.batched or in_turn or own:
            return Arrangement(in_turn=list(range(len(works))), stacks=[])
        return arrange(
            self._examples,
            works,
            hyperparameters=hyperparameters,
            values=self._values,
            turns=self._turns,
        )

    def _train_stack(
        self, base: State, works: Sequence[ClientWork], hyperparameters: Hyperparameters
    ) -> Stacked:
        model = self._lead.start(base)
        with blamed(self._workload, "round"):
            return train_stack(
                model,
                self._workload.loss,
                base,
                signature=self._lead.signature,
                examples=self._examples,
                schedule=draw_batches(self._examples, works, hyperparameters),
                hyperparameters=hyperparameters,
                corrections=_stacked([work.correction for work in works if work.correction]),
            )


def _stacked(states: Sequence[State]) -> State:
    """Return states with the clients as the first dimension; empty if there are none."""
    names = states[0] if states else ()
    return {name: torch.stack([state[name] for state in states]) for name in names}
