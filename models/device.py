"""Where models compute: on the processor, or on the GPU that FAIRWIND_DEVICE names.

A process may use CUDA only if its parent has not: everything here is called in the child that
computes, after it was forked, and importing this module uses no device.
https://docs.pytorch.org/docs/stable/notes/multiprocessing.html#cuda-in-multiprocessing
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from common.errors import SettingError, describe
from common.hyperparameters import Precision
from models.precision import MixedPrecision

_BF16_CAPABILITY = (8, 0)
"""Compute capability from which GPUs of NVIDIA compute in bfloat16: Ampere."""


_MIXED: tuple[Precision, ...] = ("bf16", "fp16")

_LONGEST_REASON = 200


@dataclass(frozen=True)
class Device:
    """A device, and what it cannot do.

    Attributes:
        torch: The device as PyTorch has it, with its index.
        name: What people call it.
        unfit: The precisions it cannot train in, each with the reason, as a clause.
    """

    torch: torch.device
    name: str
    unfit: Mapping[Precision, str] = field(default_factory=dict)


CPU = Device(torch.device("cpu"), "processor")


def choose_device(wanted: str) -> Device:
    """Return the device that a setting names.

    Args:
        wanted: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``auto``: the first GPU that CUDA
            offers, else the processor.

    Raises:
        SettingError: If that device is not there, or does not work.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return CPU
    named = torch.device("cuda" if wanted == "auto" else wanted)
    device = torch.device(named.type, named.index or 0)
    if fault := _absent(device) or _broken(device):
        msg = (
            f"FAIRWIND_DEVICE is {wanted}, but {fault}. So nothing is trained here. Set "
            "FAIRWIND_DEVICE to auto, cpu or a device that is there."
        )
        raise SettingError(msg)
    if device.type == "mps":
        return Device(device, "Apple GPU", tried(device))
    properties = torch.cuda.get_device_properties(device)
    slow = {} if torch.version.hip else _emulated((properties.major, properties.minor))
    return Device(device, properties.name, {**tried(device), **slow})


def tried(device: torch.device) -> Mapping[Precision, str]:
    """Return in which precisions a step of training fails on a device, with why.

    >>> tried(torch.device("cpu"))
    {}
    """
    found: dict[Precision, str] = {}
    for precision in _MIXED:
        try:
            _step(device, precision)
        except Exception as error:  # noqa: BLE001 - whatever a build of PyTorch lacks
            found[precision] = describe(error)[:_LONGEST_REASON]
    return found


def _step(device: torch.device, precision: Precision) -> None:
    model = torch.nn.Linear(2, 1, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mixed = MixedPrecision(precision, device)
    with mixed.autocast():
        loss = model(torch.ones(1, 2, device=device)).sum()
    mixed.backward(loss)
    mixed.step(optimizer)
    loss.item()


def make_deterministic(device: torch.device) -> None:
    """Let this process compute the same bits twice on a GPU, as far as PyTorch can.

    Operations that cannot are run all the same; `nondeterministic` names them. Nothing changes for
    the processor, where the same bits need none of this.
    """
    if device.type == "cpu":
        return
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = (
        False  # it would choose by speed, which differs from run to run
    )
    if device.type == "cuda":
        torch.cuda.set_device(device)  # code of the user's that names none shall use the same


@contextmanager
def nondeterministic() -> Iterator[set[str]]:
    """Give the names of the operations in the block that cannot compute the same bits twice.

    They are known where `make_deterministic` was called for a GPU. Other warnings are shown as
    they always are.
    """
    found: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def collect(message: Warning | str, *arguments: Any, **options: Any) -> None:
            named = re.match(_WITHOUT_DETERMINISM, str(message))
            if named:
                found.add(named[1])
            else:
                show(message, *arguments, **options)

        warnings.filterwarnings("always", message=_WITHOUT_DETERMINISM)
        warnings.showwarning = collect
        yield found


_WITHOUT_DETERMINISM = r"(\S+) does not have a deterministic implementation"


def release_memory(device: torch.device) -> None:
    """Give back the memory that PyTorch keeps on a GPU for later use: others may need it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def out_of_memory(error: BaseException) -> str | None:
    """Return what to do about an error that says that a device has too little memory.

    Args:
        error: What a user's code raised; `None` is returned for any other.
    """
    words = ("out of memory", "can't allocate memory")
    if not isinstance(error, RuntimeError) or not any(each in str(error) for each in words):
        return None
    return (
        "lower --batch-size, with --accumulate for the same steps, choose --precision bf16, or "
        "free memory of the device."
    )


def _absent(device: torch.device) -> str | None:
    """Return why a device is not there, `None` if it is."""
    if device.type == "mps":
        return None if torch.backends.mps.is_available() else "this machine offers no Apple GPU"
    if torch.version.cuda is None and torch.version.hip is None:
        return "the installed PyTorch is built without CUDA"
    count = torch.cuda.device_count()
    if count == 0:
        return "PyTorch finds no GPU; look at the driver, FAIRWIND_GPU and CUDA_VISIBLE_DEVICES"
    if device.index >= count:
        return f"the GPUs that PyTorch finds are cuda:0 to cuda:{count - 1}"
    return None


def _broken(device: torch.device) -> str | None:
    """Return why a device that is there does not work, `None` if it does."""
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        return f"it does not work: {describe(error)}"
    return None


def _emulated(capability: tuple[int, int]) -> Mapping[Precision, str]:
    """Return in what a GPU of NVIDIA would train by slow emulation alone, with why.

    >>> _emulated((7, 5))
    {'bf16': 'it has compute capability 7.5, and bf16 needs 8.0'}
    >>> _emulated((9, 0))
    {}
    """
    if capability >= _BF16_CAPABILITY:
        return {}
    has, needs = (".".join(map(str, each)) for each in (capability, _BF16_CAPABILITY))
    return {"bf16": f"it has compute capability {has}, and bf16 needs {needs}"}
