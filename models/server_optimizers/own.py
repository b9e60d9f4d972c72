"""A server optimizer of the user's: a function, found by its import path.

It is called for one parameter at a time, as `step(value, mean_delta, state, **options)`, and
returns the parameter's new value. With a parameter named ``options`` it is handed those of the run.
`state` is a dictionary of tensors, empty in the first round, in which it may keep what it needs for
the next one: it is part of the version, and recomputed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from common.errors import WorkloadError, describe, ends_process
from common.workload_options import OptionsGiven
from models.update import State


@dataclass(frozen=True)
class OwnServerOptimizer:
    """Calls a user's function.

    Attributes:
        path: Its import path, for the error.
        step: The function.
        options: What it is called with beside value, delta and state.
        run_options: Those of the run; `None` where it takes none.
    """

    path: str
    step: Callable[..., object]
    options: Mapping[str, float]
    run_options: OptionsGiven | None = None

    def apply(self, name: str, value: Tensor, mean_delta: Tensor, state: State) -> Tensor:
        """Return the new value of a parameter; see `ServerOptimizer.apply`.

        Raises:
            WorkloadError: If the function raises, or returns anything but a tensor of this shape.
        """
        # With its length first, no name is the beginning of another.
        prefix = f"{len(name)}.{name}."
        own: dict[str, object] = {
            key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)
        }
        handed: dict[str, object] = dict(self.options)
        if self.run_options is not None:
            handed["options"] = dict(self.run_options)  # its own copy, to keep or change
        try:
            new = self.step(value.clone(), mean_delta.clone(), own, **handed)
        except (Exception, SystemExit) as error:
            if ends_process(error):
                raise
            raise self._failed(name, f"raised {describe(error)}") from error
        if not isinstance(new, Tensor) or new.shape != value.shape:
            raise self._failed(name, f"returned no tensor of shape {list(value.shape)}")
        for key, tensor in own.items():
            if not isinstance(tensor, Tensor):
                raise self._failed(name, f"left {key!r} in its state, which is no tensor")
            state[f"{prefix}{key}"] = tensor.detach().to("cpu").contiguous()
        return new.detach().to("cpu", value.dtype).contiguous()

    def _failed(self, parameter: str, fault: str) -> WorkloadError:
        return WorkloadError(
            f"The server optimizer {self.path} {fault} for {parameter}, so no version was made. "
            "Correct it and restart the coordinator."
        )
