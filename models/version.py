"""A version: the global model after a round, a pure function of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from torch import Tensor

from common.errors import UpdateError
from common.robust import MEAN, Robust
from common.update_encodings import UpdateEncoding
from models.aggregation import Contribution, stacked_mean, weighted_mean
from models.latest_models import BaseShift
from models.robust.robust_mean import Kept, robust_mean
from models.robust.rows import FileRows, StackedRows
from models.seed import seed_generators
from models.serialization import frozen_name, read_state, write_state
from models.server_optimizers import ServerOptimizer
from models.update import Signature, State, model_state, stack_signature
from models.workload import Workload, blamed

_PLAIN = Robust(MEAN, 0)


class Made(NamedTuple):
    """The files of a version, and how it came about.

    Attributes:
        model: The new model.
        server_state: The server optimizer's new state; `None` if it keeps none.
        kept: How a robust rule used the updates; `None` with the mean.
    """

    model: Path
    server_state: Path | None
    kept: Kept | None = None


def initial_version(workload: Workload, seed: int) -> State:
    """Return the state of a new model; the same seed gives the same bits.

    Raises:
        WorkloadError: If the workload raises.
    """
    seed_generators(seed)
    with blamed(workload, "first version"):
        return model_state(workload.model())


def make_version(
    base_path: Path,
    server_state_path: Path | None,
    contributions: Sequence[Contribution],
    *,
    bases: Sequence[tuple[Path, int]] = (),
    divisor: int | None = None,
    signature: Signature,
    parameters: frozenset[str],
    norm_bound: float,
    encoding: UpdateEncoding = "float32",
    robust: Robust = _PLAIN,
    optimizer: ServerOptimizer,
    folder: Path,
) -> Made:
    """Make the next version from a base and the updates of a manifest, and write it.

    Parameters go through the server optimizer; floating buffers, such as running statistics,
    take the plain mean; all else stays the base's. Memory holds the base and the optimizer's
    state once, and a few tensors of the largest shape; with a robust rule, the means once more.
    The bytes depend on the arguments alone, not on the order of the contributions; with a robust
    rule, ties go to the first, so give them in the order of the clients' ids. The files' names are
    new at every call. The caller flushes them to disk and moves them to where they belong, or
    removes them. Frozen parameters are not in these files: the new model names the frozen part that
    its base names.

    Args:
        base_path: The base model.
        server_state_path: The optimizer's tensors after the round before; `None` if it has none.
        contributions: The manifest's updates.
        bases: The versions that they were trained from, with the sum of their weights, for the mean
            of the latest models; none for the mean of the updates. See `models.latest_models`.
        divisor: What their weighted sum is divided by; `None` for the sum of the weights.
        signature: What each update holds, decoded.
        parameters: The names of the trainable parameters among them.
        norm_bound: What no value of an update that was admitted is above.
        encoding: How the updates are encoded.
        robust: By which rule they are combined; weights, bases and divisor are the mean's alone.
        optimizer: Moves the parameters.
        folder: Where to write.

    Raises:
        UpdateError: If a file does not match the signature, or a robust rule has too few.
    """
    model = read_state(base_path)
    server_state = {} if server_state_path is None else read_state(server_state_path)
    _check_base(f"base model {base_path.name}", model, signature)
    kept: Kept | None = None
    means: Iterable[tuple[str, Tensor]]
    if robust.rule == MEAN:
        means = weighted_mean(
            contributions, signature, divisor=divisor, norm_bound=norm_bound, encoding=encoding
        )
    else:
        paths = [contribution.path for contribution in contributions]
        with FileRows(paths, signature, encoding=encoding) as rows:
            combined, kept = robust_mean(rows, robust, norm_bound=norm_bound)
        means = combined.items()
    shift = BaseShift([(read_state(path), w) for path, w in bases], model) if bases else None
    new = _advance(
        model, server_state, means, parameters=parameters, optimizer=optimizer, shift=shift
    )
    path = _write(new, folder, frozen=frozen_name(base_path))
    return Made(path, _write(server_state, folder) if server_state else None, kept)


def next_state(
    model: State,
    server_state: State,
    deltas: State,
    weights: Sequence[int],
    *,
    bases: Sequence[tuple[State, int]] = (),
    divisor: int | None = None,
    parameters: frozenset[str],
    norm_bound: float,
    robust: Robust = _PLAIN,
    optimizer: ServerOptimizer,
) -> tuple[State, Kept | None]:
    """Return the next version in memory: the bits that `make_version` writes for the same deltas.

    Args:
        model: The base model; not changed.
        server_state: The optimizer's tensors, empty before the first round; changed in place.
        deltas: Each tensor `(num_clients, *shape)`; not changed.
        weights: What each client's delta counts, positive, `(num_clients,)`.
        bases: As for `make_version`.
        divisor: What their weighted sum is divided by; `None` for the sum of the weights.
        parameters: The names of the trainable parameters among the deltas' names.
        norm_bound: What no value of an update that was admitted is above.
        robust: As for `make_version`.
        optimizer: Moves the parameters.

    Returns:
        The new model, of which what no delta moves is the base's own tensor, not a copy; and how a
        robust rule used the deltas.

    Raises:
        UpdateError: If the deltas are another model's, or cannot be summed. The optimizer's
            tensors may have changed by then.
    """
    _check_base("base model", model, stack_signature(deltas))
    kept: Kept | None = None
    means: Iterable[tuple[str, Tensor]]
    if robust.rule == MEAN:
        means = stacked_mean(deltas, weights, divisor=divisor, norm_bound=norm_bound)
    else:
        combined, kept = robust_mean(StackedRows(deltas), robust, norm_bound=norm_bound)
        means = combined.items()
    shift = BaseShift(bases, model) if bases else None
    new = _advance(
        model, server_state, means, parameters=parameters, optimizer=optimizer, shift=shift
    )
    return new, kept


def _advance(
    model: State,
    server_state: State,
    means: Iterable[tuple[str, Tensor]],
    *,
    parameters: frozenset[str],
    optimizer: ServerOptimizer,
    shift: BaseShift | None,
) -> State:
    """Return a new model; only the optimizer's tensors are changed in place."""
    new = dict(model)
    for name, mean in means:
        value = model[name]
        mean_delta = mean if shift is None else shift.add_to(name, mean)
        if name in parameters:
            new[name] = optimizer.apply(name, value, mean_delta, server_state)
        else:
            new[name] = mean_delta.add_(value).to(value.dtype)
    return new


def _check_base(which: str, model: State, signature: Signature) -> None:
    for name, spec in signature.items():
        if name not in model or (model[name].dtype, tuple(model[name].shape)) != spec:
            msg = (
                f"The {which} has no {name} like that of the updates, so no version was made. "
                f"Use the workload with which the run was begun."
            )
            raise UpdateError(msg)


def _write(state: State, folder: Path, *, frozen: str | None = None) -> Path:
    path = folder / f"{uuid4().hex}.tmp"
    write_state(state, path, frozen=frozen)
    return path
