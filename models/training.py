"""Local training: a plain loop over one client's data, the same bits warm or cold."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from copy import copy
from functools import cache, partial
from typing import Any, Self

import torch
from torch import nn
from torch.optim import SGD

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.algorithms.ditto import of_own_model
from models.batch import as_loaded
from models.evaluation import evaluate
from models.flops import flops_per_example
from models.frozen import frozen_parameters
from models.loader_processes import loader_processes
from models.local_fit import Fitted, OnEpoch, fit
from models.local_part import LocalPart
from models.local_result import LocalResult
from models.loop_context import LoopContext
from models.memory import Memory, as_part
from models.memory import part as part_of
from models.metric_values import Metrics
from models.model_factory import ModelFactory
from models.own_loop import KIND as LOOP
from models.own_loop import own_function, run_evaluation, run_loop
from models.personal import DITTO, Layers, changing, own_model, split_layers, trained_state
from models.personal import KIND as PERSONAL
from models.update import State, delta_signature, load_state, make_delta
from models.workload import Data, Workload, blamed, num_examples


class Trainer:
    """A client's data, loaded once, and its model, which is new for every assignment.

    Attributes:
        models: Builds what is trained.
        signature: What each delta holds.
        frozen: The names of the parameters that no training changes.
        num_examples: How many there are to train on; 0 where only the user's own loop knows.
    """

    def __init__(
        self, workload: Workload, client_id: str, *, device: torch.device | None = None
    ) -> None:
        """Load model and data.

        Args:
            workload: Whose.
            client_id: Whose data.
            device: Where to train and score; `None` for where the workload puts its model.

        Raises:
            WorkloadError: If the workload raises, or has no examples for this client.
            UpdateError: If the model has tensors that cannot be averaged or stored.
        """
        self._load(
            workload,
            lambda: workload.train_data(client_id),
            held_out=lambda: _held_out_data(workload, client_id),
            device=device,
            without_frozen=True,
        )

    @classmethod
    def of(cls, workload: Workload, data: Data, held_out: Data | None = None) -> Self:
        """Return a trainer of data at hand. It does what one that loads the same data does.

        Args:
            workload: Whose model, loss and metrics.
            data: What to train on.
            held_out: What to score a pulled model on; `None` for nothing.

        Raises:
            WorkloadError: If the workload raises, or there are no examples.
            UpdateError: If the model has tensors that cannot be averaged or stored.
        """
        trainer = cls.__new__(cls)
        trainer._load(workload, lambda: data, held_out=lambda: held_out)  # noqa: SLF001 - a second constructor
        return trainer

    def _load(
        self,
        workload: Workload,
        load: Callable[[], Data],
        *,
        held_out: Callable[[], Data | None],
        device: torch.device | None = None,
        without_frozen: bool = False,
    ) -> None:
        self._workload = workload
        self.models = ModelFactory(workload, device=device, without_frozen=without_frozen)
        model = self.models.new()
        self.signature, self.frozen = delta_signature(model), frozen_parameters(model)
        with blamed(workload, "assignment"):
            data = load()
        self._take(data, held_out)

    def _take(self, data: Data, held_out: Callable[[], Data | None]) -> None:
        # Held-out data are loaded once, when a run asks its sites to evaluate.
        self._data, self._held_out = data, cache(held_out)
        own = own_function(self._workload, "train") is not None
        unknown = own and not isinstance(data, Sized)
        self.num_examples = 0 if unknown else num_examples(self._workload, data)
        self._flops = cache(self._count_flops)

    def sharing(self, data: Data, held_out: Data | None = None) -> Self:
        """Return a trainer of other data on the same model.

        Raises:
            WorkloadError: If there are no examples.
        """
        trainer = copy(self)
        trainer._take(data, lambda: held_out)  # noqa: SLF001 - of this very class
        return trainer

    def train(
        self,
        base: State,
        *,
        hyperparameters: Hyperparameters,
        seed: int,
        scores: bool = False,
        on_epoch: OnEpoch = lambda _epoch, _epochs, _loss: None,
        part: LocalPart = LocalPart(),  # noqa: B008 - frozen
        memory: Memory | None = None,
        correction: State | None = None,
        secret: bytes | None = None,
    ) -> LocalResult:
        """Train from a base model. The result depends on the arguments and the data alone.

        A loss that is NaN or infinite is returned like any other: whether it counts is decided
        where updates are admitted.

        Args:
            base: The pulled model's state; not changed.
            hyperparameters: The run's.
            seed: At least 0, below 2**63; derived from run, round and client.
            scores: Whether the base is scored on held-out data first.
            on_epoch: Called after every epoch; what it raises ends the training.
            part: Of which round and client, and which layers stay at its site.
            memory: What the client remembers of the run, not changed; nothing if left out.
            correction: What SCAFFOLD adds to the gradients, by parameter; not of a user's loop.
            secret: Decides on samples and noise of private training, which no other has; see
                `models.privacy.secret_bits`.

        Raises:
            UpdateError: If the base is another model's, or training leaves another model behind.
            WorkloadError: If the workload raises, the gradients of all steps overflowed, or the
                model has none of the personal layers.
        """
        memory = memory or {}
        metrics, num_held_out = self.score(base, part, memory) if scores else ({}, 0)
        layers = self.layers(part.personal)
        start = {**base, **part_of(memory, PERSONAL)}
        model, passes = self.start(start), 1 if hyperparameters.ditto is None else 2
        run = self._fit if own_function(self._workload, "train") is None else self._fit_by_own
        if hyperparameters.is_private:
            run = partial(self._fit_privately, secret=secret)
        fitted, kept = run(
            model, start, part, memory, hyperparameters=hyperparameters, seed=seed,
            on_epoch=_in_passes(on_epoch, 0, passes),
            **({"correction": correction} if correction else {}),
        )  # fmt: skip
        kept = kept | as_part(trained_state(model, layers.personal), PERSONAL)
        if hyperparameters.ditto is not None:
            kept |= self._train_beside(
                base, memory, hyperparameters, seed, _in_passes(on_epoch, 1, passes)
            )
        return LocalResult(
            delta=make_delta(model, base, signature=layers.shared),
            num_examples=fitted.num_examples, num_steps=fitted.num_steps, loss=fitted.loss,
            utility=fitted.utility, metrics=metrics, num_held_out=num_held_out, memory=kept,
        )  # fmt: skip

    def flops_per_example(self, hyperparameters: Hyperparameters) -> float | None:
        """Return the FLOPs of training on one example, counted at the first call.

        They are unknown of a user's loop, and of Ditto, which trains a second model beside.
        """
        return self._flops() if hyperparameters.ditto is None else None

    def _count_flops(self) -> float | None:
        if own_function(self._workload, "train") is not None:
            return None
        return flops_per_example(self._workload, self.models.new().train(), self._data)

    def _fit(
        self, model: nn.Module, _start: State, _part: LocalPart, _memory: Memory, **asked: Any
    ) -> tuple[Fitted, Memory]:
        """Train a model in place; nothing of it is to be remembered."""
        fitted = fit(
            self._workload, model, self._data, num_examples=self.num_examples, **asked
        )  # fmt: skip
        return fitted, {}

    def _fit_privately(
        self,
        model: nn.Module,
        _start: State,
        _part: LocalPart,
        _memory: Memory,
        *,
        secret: bytes | None,
        **asked: Any,
    ) -> tuple[Fitted, Memory]:
        """Train a model in place with differential privacy; nothing of it is to be remembered."""
        from models.privacy.private_fit import fit_privately  # noqa: PLC0415 - few runs need it

        hyperparameters: Hyperparameters = asked["hyperparameters"]
        if secret is None or "correction" in asked or hyperparameters.ditto is not None:
            msg = (
                "Private training needs a secret, and goes with neither SCAFFOLD nor Ditto, so "
                "nothing was trained. Start the run with --algorithm fedavg and without --ditto."
            )
            raise WorkloadError(msg)
        fitted = fit_privately(
            self._workload, model, self._data, num_examples=self.num_examples, secret=secret,
            **asked,
        )  # fmt: skip
        return fitted, {}

    def _fit_by_own(
        self, model: nn.Module, start: State, part: LocalPart, memory: Memory, **asked: Any
    ) -> tuple[Fitted, Memory]:
        """Let the user's loop train a model in place; return also the state that it keeps."""
        asked["progress"] = asked.pop("on_epoch")
        context = LoopContext.of(part, model, start, state=part_of(memory, LOOP), **asked)
        with loader_processes():
            figures, kept = run_loop(
                self._workload, model, as_loaded(self._data), context,
                num_examples=self.num_examples,
            )  # fmt: skip
        utility = figures.num_examples * abs(figures.loss)
        return Fitted(figures.num_examples, figures.num_steps, figures.loss, utility), kept

    def _train_beside(
        self,
        base: State,
        memory: Memory,
        hyperparameters: Hyperparameters,
        seed: int,
        on_epoch: OnEpoch,
    ) -> Memory:
        """Train the site's own model beside the global one; see `models.algorithms.ditto`."""
        model = self.start({**base, **part_of(memory, DITTO)})
        fit(
            self._workload, model, self._data, num_examples=self.num_examples,
            hyperparameters=of_own_model(hyperparameters), seed=seed, on_epoch=on_epoch,
            anchor=self.start(base),
        )  # fmt: skip
        return as_part(trained_state(model, changing(model)), DITTO)

    def layers(self, personal: Sequence[str]) -> Layers:
        """Return which tensors stay at the site, and which an update holds.

        Raises:
            WorkloadError: If a pattern does not fit the model.
        """
        if not personal:
            return Layers(frozenset(), self.signature, 0)
        return split_layers(self.models.new(), personal)

    def score(
        self,
        base: State,
        part: LocalPart = LocalPart(),  # noqa: B008 - frozen
        memory: Memory | None = None,
    ) -> tuple[Metrics, int]:
        """Return a model's metrics on held-out data, and of how many examples.

        It is the base model, or the site's own where the run leaves it one. Both are empty without
        such data.

        Raises:
            UpdateError: If the base is another model's.
            WorkloadError: If the workload raises.
        """
        with blamed(self._workload, "assignment"):
            held_out = self._held_out()
        if held_out is None:
            return {}, 0
        state = own_model(base, memory or {})
        if own_function(self._workload, "evaluate") is not None:
            kept = part_of(memory or {}, LOOP)
            return self._score_by_own(state, part, held_out, kept)
        metrics = evaluate(self._workload, self.models.new(), state, held_out)
        return metrics, num_examples(self._workload, held_out)

    def _score_by_own(
        self, base: State, part: LocalPart, data: Data, kept: State
    ) -> tuple[Metrics, int]:
        model = self.start(base)
        context = LoopContext.of(part, model, base, state=kept)
        metrics, count = run_evaluation(self._workload, model, as_loaded(data), context)
        return metrics, num_examples(self._workload, data) if count is None else count

    def start(self, base: State) -> nn.Module:
        """Return a new model in training mode, a base loaded.

        Raises:
            UpdateError: If the base is another model's.
        """
        model = self.models.new()
        load_state(model, base)
        return model.train()


def _in_passes(on_epoch: OnEpoch, begun: int, passes: int) -> OnEpoch:
    """Return what announces the epochs of one pass of several as epochs of them all."""
    return lambda epoch, epochs, loss: on_epoch(begun * epochs + epoch, passes * epochs, loss)


def warm_up(threads: int) -> None:
    """Fix the thread count, and pay at once for what the first optimizer of a process imports.

    Args:
        threads: Of torch in this process; another number may give other bits.
    """
    torch.set_num_threads(threads)
    SGD([nn.Parameter(torch.zeros(1))], lr=0.1)


def _held_out_data(workload: Workload, client_id: str) -> Data | None:
    held_out_data = getattr(workload, "held_out_data", None)
    if held_out_data is None:
        return None
    data: Data = held_out_data(client_id)
    return data
