"""How the values of an update are encoded on their way from a site: as trained, or in fewer bits.

An encoded update is a safetensors file like any other. Small tensors (biases, norms, statistics)
travel as they are: they are few bytes, and the most sensitive. Where only the largest values
travel, these are MXINT8, too.
"""

from __future__ import annotations

import math
from types import MappingProxyType

import torch
from torch import Tensor

from common.update_encodings import UpdateEncoding, is_sparse, kept_share
from models import mxint8
from models.sorted_places import pack_places, places_nbytes, unpack_places
from models.tensor_file import PLACES, SCALES, TensorSpec
from models.topk import largest, num_kept
from models.update import Signature, State

_SMALL = 1024
"""Tensors of fewer values travel as they are."""


def encoded_signature(signature: Signature, encoding: UpdateEncoding) -> Signature:
    """Return what an update must hold once it is encoded.

    Args:
        signature: What a delta of the model holds.
        encoding: The run's.
    """
    held: dict[str, TensorSpec] = {}
    for name, spec in signature.items():
        size = math.prod(spec.shape)
        if not is_encoded(spec, encoding):
            held[name] = spec
        elif encoding == "bfloat16":
            held[name] = TensorSpec(torch.bfloat16, spec.shape)
        elif encoding == "mxint8":
            held[name] = TensorSpec(torch.int8, spec.shape)
            held[name + SCALES] = TensorSpec(torch.uint8, (mxint8.num_blocks(size),))
        else:
            count = num_kept(size, kept_share(encoding))
            held[name] = TensorSpec(torch.int8, (count,))
            held[name + SCALES] = TensorSpec(torch.uint8, (mxint8.num_blocks(count),))
            held[name + PLACES] = TensorSpec(torch.uint8, (places_nbytes(size, count),))
    return MappingProxyType(held)


def encoded(delta: State, encoding: UpdateEncoding, *, seed: int) -> State:
    """Return a delta's tensors as they travel.

    Args:
        delta: What training changed, all of it finite.
        encoding: The run's.
        seed: Draws the rounding: the same seed gives the same bytes.
    """
    if encoding == "float32":
        return delta
    generator = torch.Generator().manual_seed(seed)
    tensors: State = {}
    for name, tensor in delta.items():
        if not is_encoded(TensorSpec(tensor.dtype, tuple(tensor.shape)), encoding):
            tensors[name] = tensor
        elif encoding == "bfloat16":
            tensors[name] = tensor.to(torch.bfloat16)
        else:
            kept = tensor
            if is_sparse(encoding):
                places = largest(tensor.view(-1), num_kept(tensor.numel(), kept_share(encoding)))
                tensors[name + PLACES] = pack_places(places, tensor.numel())
                kept = tensor.view(-1)[places]
            elements, scales = mxint8.encode(kept, generator=generator)
            tensors[name], tensors[name + SCALES] = elements.view(kept.shape), scales
    return tensors


def decoded(tensors: State, signature: Signature) -> State:
    """Return the values of an encoded update, float32 where they were encoded.

    Args:
        tensors: As they travelled.
        signature: What they are once they are decoded.
    """
    return {name: _decoded(tensors, name, spec) for name, spec in signature.items()}


def is_encoded(spec: TensorSpec, encoding: UpdateEncoding) -> bool:
    """Return whether the values of a tensor travel in another form than they were trained in."""
    is_large = math.prod(spec.shape) >= _SMALL
    return encoding != "float32" and is_large and spec.dtype.itemsize > torch.bfloat16.itemsize


def _decoded(tensors: State, name: str, spec: TensorSpec) -> Tensor:
    values = tensors[name]
    if values.dtype == torch.bfloat16 and spec.dtype != torch.bfloat16:
        return values.to(torch.float32)
    if values.dtype != torch.int8:
        return values
    kept = mxint8.decode(values.flatten(), tensors[name + SCALES])
    if name + PLACES not in tensors:
        return kept.view(spec.shape)
    dense = torch.zeros(math.prod(spec.shape))
    dense[unpack_places(tensors[name + PLACES], len(dense), len(kept))] = kept
    return dense.view(spec.shape)
