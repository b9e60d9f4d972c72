"""Masks: the words of AES-256 in counter mode, off as they were put on."""

from __future__ import annotations

import numpy as np
import pytest

from common.secagg.masks import PIECE_WORDS, Mask, apply_masks, pieces_of
from common.secagg.ring import Words


def masked(words: Words, masks: list[Mask]) -> Words:
    copy = words.copy()
    for _ in apply_masks(pieces_of(copy), masks):
        pass
    return copy


def test_a_mask_is_the_key_stream_of_its_whole_seed() -> None:
    # AES-256 of the zero block under the zero key: dc95c078a2408989ad48a21492842087 (NIST KAT).
    zeros = np.zeros(4, dtype="<u4")
    assert masked(zeros, [Mask(bytes(32), is_added=True)]).tobytes().hex() == (
        "dc95c078a2408989ad48a21492842087"
    )


def test_seeds_that_differ_in_one_bit_anywhere_share_no_word() -> None:
    zeros = np.zeros(64, dtype="<u4")
    first = masked(zeros, [Mask(bytes(32), is_added=True)])
    for bit in range(0, 256, 15):
        seed = (1 << bit).to_bytes(32, "little")
        assert (masked(zeros, [Mask(seed, is_added=True)]) != first).all()


@pytest.mark.parametrize("length", [1, 5, PIECE_WORDS, PIECE_WORDS + 1, 2 * PIECE_WORDS + 7])
def test_opposite_masks_leave_what_was_there(length) -> None:
    words = np.arange(length, dtype="<u4")
    masks = [Mask(bytes([n] * 32), is_added=n % 2 == 0) for n in range(3)]
    hidden = masked(words, masks)
    assert (hidden != words).mean() > 0.9
    assert masked(hidden, [mask.opposite for mask in masks]).tolist() == words.tolist()
