"""A trial of a workload: what a site and the coordinator would do with it, here and at once.

It takes the way of a real round: the site's trainer, the bytes of its update, the coordinator's
check of them. It takes one step instead of an epoch, and no Redis, no ledger, no other process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import torch

from common.errors import FairwindError, SettingError, UpdateError, WorkloadError
from common.messages import Energy
from common.settings import Settings
from common.units import show_bytes, show_duration, show_energy
from common.workload_names import allowed_as, not_allowed
from models.configured import configured
from models.device import Device, choose_device, make_deterministic
from models.energy import make_meter
from models.error_feedback import encode_update
from models.frozen import write_version
from models.local_part import LocalPart
from models.local_result import LocalResult
from models.metric_values import Metrics
from models.own_loop import own_function
from models.privacy.secret_bits import secret_of_seed
from models.serialization import read_state, write_state
from models.training import Trainer, warm_up
from models.update import State, check_update
from models.update_encoding import decoded, encoded_signature
from models.workload import Workload, load_workload
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.opening import check_goal, check_metrics
from tasks.cli.figures import show_metrics
from tasks.coordinator.workbench import Workbench

_MEASURED_S = 0.5
"""Steps that take so long together tell what one takes, wall seconds."""


class Found(NamedTuple):
    """What one part of a trial showed; an error ends the trial."""

    level: str
    name: str
    text: str


class _Training(NamedTuple):
    result: LocalResult
    took_s: float
    energy: Energy | None


class _Cost(NamedTuple):
    took_s: float
    energy_wh: float | None
    how: str

    @classmethod
    def of(cls, measured: _Training, took_s: float, how: str) -> Self:
        """Return what so many seconds cost, at the power that was measured."""
        energy = measured.energy
        if energy is None:
            return cls(took_s, None, how)
        energy_wh = energy.energy_wh * took_s / measured.took_s
        return cls(took_s, energy_wh, f"{how}, energy by {energy.method}")


@dataclass
class Trial:
    """One workload, tried as one client with the options of one run.

    Attributes:
        spec: The run that it is tried for.
        workload: As FAIRWIND_WORKLOADS would name it: a Flower app by its folder.
        client: Whose data.
        settings: The site's, and the coordinator's.
        folder: Empty, for the bytes of the update.
    """

    spec: RunSpec
    workload: str
    client: str
    settings: Settings
    folder: Path

    def parts(self) -> Iterator[Found]:
        """Yield what each part showed, one after the other, up to the first error."""
        warm_up(self.settings.threads)
        parts: dict[str, Callable[[], str]] = {
            "model": self._model,
            "data": self._data,
            "one step": self._one_step,
            "again": self._again,
            "update": self._update,
            "evaluation": self._evaluation,
            "a round": self._round,
        }
        for name, part in parts.items():
            try:
                yield Found("ok", name, part())
            except FairwindError as error:
                yield Found("error", name, str(error))
                return
        if allowed_as(self.workload, self.settings.workloads) is None:
            refused = not_allowed(self.workload, self.settings.workloads)
            up = f"On one machine: fairwind up --workload {self.workload}"
            yield Found("warning", "worker", f"{refused} {up}")

    @cached_property
    def _device(self) -> Device:
        device = choose_device(self.settings.device)
        make_deterministic(device.torch)
        return device

    @cached_property
    def _coordinator(self) -> Workbench:
        return Workbench([self.workload], device=self.settings.device)

    @cached_property
    def _blobs(self) -> Blobs:
        return Blobs(self.folder / "blobs")

    @cached_property
    def _base(self) -> State:
        return self._coordinator.first_version(self.spec, self._blobs)

    @cached_property
    def _trainer(self) -> Trainer:
        return Trainer(
            configured(self._loaded, self.spec.options), self.client, device=self._device.torch
        )

    @property
    def _loaded(self) -> Workload:
        return load_workload(self.spec.workload, allowed=[self.workload])

    @property
    def _part(self) -> LocalPart:
        return LocalPart(
            run="try", client=self.client, options=self.spec.options, personal=self.spec.personal
        )

    def _model(self) -> str:
        self._coordinator.check_workload(self.spec)
        parameters = sum(self._base[name].numel() for name in self._base)
        travels = sum(
            math.prod(each.shape) for each in self._coordinator.signature(self.spec).values()
        )
        return f"{parameters:,} values, {travels:,} of them travel; on the {self._device.name}"

    def _data(self) -> str:
        precision = self.spec.hyperparameters.precision
        if why := self._device.unfit.get(precision):
            msg = (
                f"The {self._device.name} cannot train in {precision}: {why}. Choose another "
                "--precision, or set FAIRWIND_DEVICE=cpu."
            )
            raise SettingError(msg)
        count = self._trainer.num_examples
        if not count:
            return f"those of {self.client}; only its own loop knows how many"
        return f"{count:,} examples of {self.client}"

    @cached_property
    def _cold(self) -> _Training:
        return self._train(1)

    @cached_property
    def _warm(self) -> _Training:
        return self._train(1)

    def _train(self, steps: int) -> _Training:
        """Train for so many steps, with a new model and the seed of the same assignment."""
        asked = self.spec.hyperparameters.in_round(1)
        hyperparameters = asked.model_copy(update={"epochs": 1, "steps": steps})
        meter = make_meter(self.settings)
        begun = time.perf_counter()
        with meter:
            result = self._trainer.train(
                self._base,
                hyperparameters=hyperparameters,
                seed=self.spec.seed,
                part=self._part,
                secret=secret_of_seed(self.spec.seed),
            )
        return _Training(result, time.perf_counter() - begun, meter.energy)

    def _one_step(self) -> str:
        loss, took = self._cold.result.loss, show_duration(self._cold.took_s)
        if math.isnan(loss) and own_function(self._loaded, "train"):
            return f"its own loop reported no loss, in {took} with all that comes first"
        if not math.isfinite(loss):
            msg = (
                f"The loss is {loss} after one step, so no update of it would count. Lower "
                "--learning-rate, or look at the first examples."
            )
            raise WorkloadError(msg)
        return f"loss {loss:.4g}, in {took} with all that comes first"

    def _again(self) -> str:
        first, second = self._cold.result.delta, self._warm.result.delta
        changed = [name for name in first if not torch.equal(first[name], second[name])]
        if not changed:
            return "a second training gave the same bits"
        if self._device.torch.type != "cpu":
            return f"a second training gave other bits, as is usual on the {self._device.name}"
        msg = (
            f"A second training of the same assignment gave another {changed[0]}, so no version "
            "could be explained by its inputs. Take random numbers from the generators of torch, "
            "numpy and random alone: they are seeded for each assignment."
        )
        raise WorkloadError(msg)

    @cached_property
    def _sent(self) -> Path:
        update = encode_update(
            self._cold.result.delta, self.spec.encoding, seed=self.spec.seed,
            error_feedback=False, memory={}, age_rounds=0,
        )  # fmt: skip
        path = self.folder / f"{self.client}.safetensors"
        write_state(update.tensors, path)
        return path

    def _update(self) -> str:
        signature = self._coordinator.signature(self.spec)
        held = encoded_signature(signature, self.spec.encoding)
        bound = self.spec.norm_bound
        norm = check_update(self._sent, held, norm_bound=bound, decoded=signature)
        arrived, delta = decoded(read_state(self._sent), signature), self._cold.result.delta
        if self.spec.encoding == "float32" and any(
            not torch.equal(arrived[name], delta[name]) for name in delta
        ):
            msg = "The update was read back with other values, so it would not be what was trained."
            raise UpdateError(msg)
        size = show_bytes(self._sent.stat().st_size)
        return f"{size} as {self.spec.encoding}, read back; norm {norm:.3g}, at most {bound:g}"

    def _evaluation(self) -> str:
        here = self._coordinator.first_metrics(self.spec, self._blobs)
        said = [] if here is None else [f"{show_metrics(here)} at the coordinator"]
        if here is None or self.spec.evaluate == "both":
            there, count = self._at_the_site()
            said.append(f"{show_metrics(there)} on {count:,} held-out examples of {self.client}")
            here = here or there
        check_metrics(self.spec, here)
        goal = self.spec.goal
        lower = goal is not None and self._coordinator.lower_is_better(self.spec, goal.metric)
        check_goal(self.spec, here, stated_lower=lower)
        return f"before training {'; '.join(said)}"

    def _at_the_site(self) -> tuple[Metrics, int]:
        metrics, count = self._trainer.score(self._base, self._part)
        if not count:
            msg = (
                f"Nobody could score a version: test_data() returns None, and {self.client} has no "
                "held_out_data. Define one of them."
            )
            raise WorkloadError(msg)
        return metrics, count

    def _round(self) -> str:
        cost = self._cost()
        energy = "energy unknown" if cost.energy_wh is None else show_energy(cost.energy_wh)
        up, (down, once) = self._sent.stat().st_size, self._pulled_nbytes()
        # Beside the model, SCAFFOLD sends the site's correction, which is as large.
        later = " (twice that from round 2 on)" if self.spec.algorithm == "scaffold" else ""
        traffic = f"{show_bytes(down)} down{later}, {show_bytes(up)} up"
        frozen = f", and {show_bytes(once)} down once" if once else ""
        return f"about {show_duration(cost.took_s)}, {energy}, {traffic}{frozen}; {cost.how}"

    def _pulled_nbytes(self) -> tuple[int, int]:
        """Return the bytes that a site pulls in each round, and those it pulls only once."""
        frozen = self._coordinator.frozen(self.spec)
        version, part = write_version(self._base, frozen, self.folder)
        return version.stat().st_size, part[0].stat().st_size if part else 0

    def _cost(self) -> _Cost:
        """Return what local training costs in a round."""
        once = self._warm
        if own_function(self._loaded, "train"):
            return _Cost.of(
                once, once.took_s, "one call of its own loop, with epochs 1 and steps 1"
            )
        wanted = self.spec.hyperparameters.expected_steps(self._trainer.num_examples)
        timed, steps = once, 1
        while steps < wanted and timed.took_s < _MEASURED_S:
            steps = min(wanted, 4 * steps)
            timed = self._train(steps)
        step_s = max(0.0, timed.took_s - once.took_s) / max(1, steps - 1)
        found = "measured" if steps == wanted else f"estimated from {steps:,}"
        took_s = timed.took_s + step_s * (wanted - steps)
        return _Cost.of(timed, took_s, f"{wanted:,} steps, {found}")
