"""Shamir's secret sharing of 256-bit secrets: t shares give the secret, t - 1 say nothing of it.

A. Shamir, "How to Share a Secret", Communications of the ACM 22(11), 1979,
https://doi.org/10.1145/359168.359176. A secret is the value at 0 of a random polynomial of degree
t - 1 over the integers modulo a prime; the share at x is its value there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

PRIME = 2**256 - 189
"""The largest prime below 2^256: each residue has 32 bytes."""

NBYTES = 32
"""Of a secret, and of a share."""


def random_secret() -> bytes:
    """Return 32 random bytes that are a residue, as all but 189 of 2^256 are."""
    return secrets.randbelow(PRIME).to_bytes(NBYTES, "little")


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """Return the shares at 1, 2, ... of a secret.

    Args:
        secret: 32 bytes, little-endian, below `PRIME`.
        threshold: How many shares give the secret back.
        count: How many shares there are, at least as many.

    Raises:
        ValueError: If these do not fit.
    """
    value = int.from_bytes(secret, "little")
    if len(secret) != NBYTES or value >= PRIME or not 1 <= threshold <= count:
        msg = "a secret of 32 bytes below the prime, and 1 <= threshold <= count, are needed"
        raise ValueError(msg)
    coefficients = [value, *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    return [_value_at(x, coefficients).to_bytes(NBYTES, "little") for x in range(1, count + 1)]


def combine(shares: Mapping[int, bytes]) -> bytes:
    """Return the secret of exactly as many shares as the threshold; others give another value.

    Args:
        shares: By the x of each: its place on the committee's list, from 1. It is never a number
            that arrived in a message.
    """
    total = 0
    for x, share in shares.items():
        numerator, denominator = 1, 1
        for other in shares:
            if other != x:
                numerator = numerator * other % PRIME
                denominator = denominator * (other - x) % PRIME
        total += int.from_bytes(share, "little") * numerator * pow(denominator, -1, PRIME)
    return (total % PRIME).to_bytes(NBYTES, "little")


def _value_at(x: int, coefficients: list[int]) -> int:
    value = 0
    for coefficient in reversed(coefficients):  # Horner's rule
        value = (value * x + coefficient) % PRIME
    return value
