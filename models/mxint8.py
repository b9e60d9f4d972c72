"""MXINT8: blocks of 32 values with one power-of-two scale, each value in a byte.

OCP Microscaling Formats (MX) Specification v1.0, sections 5.2 and 6.3 (MXINT8), 2023,
https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf: an element is
q * 2**-6 with q from -127 to 127, and the scale of its block 2**(E - 127) with E in a byte. So a
value is q * 2**(E - 133), which float32 holds exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 32
"""Values that share a scale."""

_BIAS = 133
"""What is taken from a block's byte to get the exponent of the step of its values."""

_PIECE = 1 << 18
"""Values encoded at a time: many enough for each step to be fast, few enough for the cache."""

_LARGEST = 127

_NAN = 255
"""The scale of a block that holds what is no finite number: all of it is decoded as NaN."""

_SCALES = 7, 253
"""Scales whose steps and values float32 holds without loss, and so that 2**(133 - E) is finite."""


_STEPS = torch.ldexp(torch.ones(256), torch.arange(256) - _BIAS)
_STEPS[_NAN] = torch.nan
"""The step of the values of a block, by its scale; 2**-133 and more, which float32 holds."""


def low(scales: Tensor) -> int:
    """Return the greatest number so that all values of blocks are multiples of 2**low."""
    return int(scales.min()) - _BIAS


def num_blocks(num_values: int) -> int:
    """Return how many scales so many values have."""
    return -(-num_values // BLOCK)


def encode(values: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return values as bytes, rounded up or down at random so that the expectation is exact.

    A scale is the smallest with which the greatest value of its block still fits: nothing is
    clipped, as that would bias the expectation. Values below 2**-126 may become 0, and a block with
    a value that is not finite is encoded as NaN.

    Args:
        values: Below 2**126, of any floating dtype and shape, `n` of them.
        generator: Draws the rounding; the same one gives the same bytes.

    Returns:
        Elements, int8 `(n,)`, and scales, uint8 `(ceil(n / 32),)`.
    """
    flat = values.detach().reshape(-1)
    elements = torch.empty(len(flat), dtype=torch.int8)
    scales = torch.empty(num_blocks(len(flat)), dtype=torch.uint8)
    for start in range(0, len(flat), _PIECE):
        part = flat[start : start + _PIECE].to(torch.float32)
        blocks = torch.nn.functional.pad(part, (0, -len(part) % BLOCK)).view(-1, BLOCK)
        block = start // BLOCK
        whole, scales[block : block + len(blocks)] = _encode(blocks, generator)
        elements[start : start + len(part)] = whole.view(-1)[: len(part)]
    return elements, scales


def _encode(blocks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return elements, whole float32 `(m, 32)`, and scales, int32 `(m,)`, of blocks `(m, 32)`."""
    # The greatest value of a block is m * 2**exponent with m from 1/2 to 1: at a step of
    # 2**(exponent - 7) it is 128 m steps.
    greatest = blocks.abs().amax(dim=1)
    mantissa, exponent = torch.frexp(greatest)
    step = exponent - 7 + (mantissa * (_LARGEST + 1) > _LARGEST)
    scales = (step + _BIAS).clamp_(*_SCALES)
    steps = blocks * torch.ldexp(torch.ones(len(blocks)), _BIAS - scales).unsqueeze(1)
    # Noise of 16 bits, from 2**-17 to 1 - 2**-17: four of them in each number that is drawn.
    drawn = torch.empty(blocks.numel() // 4, dtype=torch.int64)
    noise = drawn.random_(-(2**63), None, generator=generator).view(torch.int16)
    steps.add_(noise.view_as(steps).to(torch.float32), alpha=2**-16).add_(0.5 + 2**-17)
    scales.masked_fill_(~greatest.isfinite(), _NAN)
    return steps.floor_().clamp_(-_LARGEST, _LARGEST), scales


def decode(elements: Tensor, scales: Tensor) -> Tensor:
    """Return the values of some blocks, the last of which may be shorter.

    Args:
        elements: int8 `(n,)`.
        scales: uint8 `(ceil(n / 32),)`.

    Returns:
        float32 `(n,)`, exact.
    """
    steps = _STEPS[scales.to(torch.int64)]
    values = elements.to(torch.float32)
    whole = len(values) // BLOCK
    values[: whole * BLOCK].view(-1, BLOCK).mul_(steps[:whole].unsqueeze(1))
    values[whole * BLOCK :].mul_(steps[-1] if whole < len(scales) else 1.0)
    return values
