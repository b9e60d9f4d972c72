"""Error feedback: what encoding an update loses is kept at the site and added to its next one.

Karimireddy, Rebjock, Stich and Jaggi, "Error Feedback Fixes SignSGD and other Gradient Compression
Schemes", ICML 2019, https://arxiv.org/abs/1901.09847, algorithm 1: with the update d and the error
e before it, p = e + d, C(p) is sent, and e becomes p - C(p).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from common.update_encodings import UpdateEncoding
from models.memory import Memory, as_part, part
from models.update import State, signature_of
from models.update_encoding import decoded, encoded, is_encoded

KIND = "error_feedback"
"""What a site's memory calls these errors."""

STALE_ROUNDS = 20
"""An error of more rounds ago is dropped: it corrects a model that has moved on."""


@dataclass(frozen=True, slots=True)
class EncodedUpdate:
    """An update as it travels, and what its site remembers of it.

    Attributes:
        tensors: As they travel.
        memory: The errors to be added to the next update; empty without error feedback.
    """

    tensors: State
    memory: Memory


def encode_update(
    delta: State,
    encoding: UpdateEncoding,
    *,
    seed: int,
    error_feedback: bool,
    memory: Memory,
    age_rounds: int,
) -> EncodedUpdate:
    """Return a delta as it travels, and the errors that remain.

    Args:
        delta: What training changed.
        encoding: The run's.
        seed: Draws the rounding: the same seed gives the same bytes.
        error_feedback: Whether errors are kept and added.
        memory: What the site remembers.
        age_rounds: How many rounds ago it was made.
    """
    if not error_feedback:
        return EncodedUpdate(encoded(delta, encoding, seed=seed), {})
    errors = part(memory, KIND) if age_rounds <= STALE_ROUNDS else {}
    wanted = {
        name: tensor + errors[name] if _fits(errors, name, tensor) else tensor
        for name, tensor in delta.items()
    }
    sent = encoded(wanted, encoding, seed=seed)
    signature = signature_of(wanted)
    arrived = decoded(sent, signature)
    kept = {
        name: (tensor - arrived[name]).to(tensor.dtype)
        for name, tensor in wanted.items()
        if is_encoded(signature[name], encoding)
    }
    return EncodedUpdate(sent, as_part(kept, KIND))


def _fits(errors: State, name: str, delta: Tensor) -> bool:
    return name in errors and errors[name].shape == delta.shape
