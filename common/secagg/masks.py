"""Masks: words drawn from a 256-bit seed, added to a vector or taken off it.

The generator is AES-256 in counter mode from zero, keyed by the seed. A seed is used for one mask
only. Words are drawn in pieces that stay in the processor's cache, and added there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from common.secagg.ring import WORD_NBYTES, Words

_PIECE_NBYTES = 1 << 18
PIECE_WORDS = _PIECE_NBYTES // WORD_NBYTES
"""A vector is masked so many words at a time."""

_ZEROS = bytes(_PIECE_NBYTES)
_BLOCK_NBYTES = 16


@dataclass(frozen=True)
class Mask:
    """One mask.

    Attributes:
        seed: 32 bytes.
        is_added: Whether it is added; it is subtracted otherwise.
    """

    seed: bytes
    is_added: bool

    @property
    def opposite(self) -> Mask:
        """The mask that takes this one off."""
        return Mask(self.seed, not self.is_added)


def apply_masks(pieces: Iterable[Words], masks: Sequence[Mask]) -> Iterator[Words]:
    """Yield a vector under masks, piece by piece, each changed in place.

    Args:
        pieces: The vector in order, each piece of `PIECE_WORDS` words, the last of fewer.
        masks: The same for all pieces; each is drawn as far as the vector reaches.
    """
    streams = [(_stream(mask.seed), mask.is_added) for mask in masks]
    buffer = bytearray(_PIECE_NBYTES + _BLOCK_NBYTES - 1)
    drawn = np.frombuffer(buffer, dtype="<u4", count=PIECE_WORDS)
    for piece in pieces:
        zeros = memoryview(_ZEROS)[: len(piece) * WORD_NBYTES]
        words = drawn[: len(piece)]
        for stream, is_added in streams:
            stream.update_into(zeros, buffer)
            (np.add if is_added else np.subtract)(piece, words, out=piece)
        yield piece


def pieces_of(words: Words) -> Iterator[Words]:
    """Yield a vector as `apply_masks` takes it; the pieces are views."""
    for start in range(0, len(words), PIECE_WORDS):
        yield words[start : start + PIECE_WORDS]


def _stream(seed: bytes) -> CipherContext:
    return Cipher(AES(seed), CTR(bytes(_BLOCK_NBYTES))).encryptor()
