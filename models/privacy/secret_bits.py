"""Secret bits: the coins and the noise of private training, from AES-256 in counter mode.

Opacus' own secure mode needs torchcsprng, which no current torch can load. Generators such as
torch's are no secret: who sees some of their numbers can work out the others.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from torch import Tensor

SECRET_NBYTES = 32
"""Of the secret of one training."""

_DRAWS = 4
"""Normal numbers that make one of the noise. Holohan and Braghin, "Secure Random Sampling in
Differential Privacy", ESORICS 2021, https://arxiv.org/abs/2107.10138, section 5: from the sum of
four, what single bits of the draws were cannot be found in feasible time."""

_CHUNK = 1 << 16
"""Noise is made for so many values at a time: a large model needs no more memory for it."""


class SecretBits:
    """Bits that look random to whoever lacks the secret; the same secret gives the same bits."""

    def __init__(self, secret: bytes, purpose: Literal["coins", "noise"]) -> None:
        """Begin a stream.

        Args:
            secret: `SECRET_NBYTES` bytes, of one training alone.
            purpose: Each has a stream of its own.
        """
        if len(secret) != SECRET_NBYTES:
            msg = f"A secret has {SECRET_NBYTES} bytes, and this one {len(secret)}."
            raise ValueError(msg)
        key = HKDF(SHA256(), 32, salt=None, info=f"fairwind {purpose}".encode()).derive(secret)
        # A counter that begins at zero is safe, as no other stream has this key.
        self._stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()

    def uniform(self, count: int) -> Tensor:
        """Return numbers above 0 and up to 1, `(count,)`, float64, with 53 bits each."""
        if count == 0:
            return torch.empty(0, dtype=torch.float64)
        drawn = torch.frombuffer(
            bytearray(self._stream.update(bytes(8 * count))), dtype=torch.int64
        )
        return ((drawn >> 11) & (2**53 - 1)).double().add_(1).mul_(2.0**-53)

    def rows(self, num_examples: int, rate: float) -> Tensor:
        """Return which examples a Poisson sample has: each with probability `rate`, by itself."""
        return (self.uniform(num_examples) <= rate).nonzero().flatten()

    def noise(self, count: int, *, std: float) -> Tensor:
        """Return independent normal numbers of mean 0, `(count,)`, float64."""
        made = torch.empty(count, dtype=torch.float64)
        for part in torch.split(made, _CHUNK):
            total = torch.zeros_like(part)
            for _ in range(_DRAWS):
                total += self._normal(len(part))
            part.copy_(total.mul_(std / math.sqrt(_DRAWS)))
        return made

    def _normal(self, count: int) -> Tensor:
        """Return standard normal numbers by the Box-Muller transform."""
        half = -(-count // 2)
        radius = self.uniform(half).log_().mul_(-2).sqrt_()
        angle = self.uniform(half).mul_(2 * math.pi)
        return torch.cat([radius * angle.cos(), radius * angle.sin()])[:count]


def secret_of_seed(seed: int) -> bytes:
    """Return a secret that everybody can work out: for simulations and trials, which repeat.

    It protects nobody, and no real site trains with it.
    """
    return HKDF(SHA256(), SECRET_NBYTES, salt=None, info=b"fairwind simulated").derive(
        seed.to_bytes(8, "big")
    )
