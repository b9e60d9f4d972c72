"""What a safetensors file lists in its header, and the bytes of its tensors, without torch.

The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_LENGTH_BYTES = 8
"""A file begins with the length of its header, a little-endian integer."""

_PIECE_BYTES = 1 << 24


@dataclass(frozen=True)
class Tensor:
    """One tensor, as the header describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


class Span(NamedTuple):
    """Where the bytes of a tensor are: in which file, from where on."""

    tensor: Tensor
    path: Path
    begin: int


def read_header(path: Path) -> tuple[int, tuple[Tensor, ...]]:
    """Return the size of a file's header, and what it lists.

    Raises:
        ValueError, KeyError: If it is no whole header.
    """
    size, header = _read(path)
    return size, tuple(_tensor(name, part) for name, part in header.items())


def read_spans(path: Path) -> dict[str, Span]:
    """Return where the tensors of a file are, by name.

    Raises:
        ValueError, KeyError: If it has no whole header.
    """
    size, header = _read(path)
    return {
        name: Span(_tensor(name, part), path, size + part["data_offsets"][0])
        for name, part in header.items()
    }


def write_spans(tensors: Mapping[str, Span], path: Path) -> None:
    """Write tensors of other files into one, under the names given here.

    Raises:
        OSError: If it cannot be written.
    """
    # As the format asks: what needs the widest alignment comes first.
    ordered = sorted(tensors.items(), key=lambda item: (-_width(item[1].tensor), item[0]))
    header, end = {}, 0
    for name, (tensor, _, _) in ordered:
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, end]
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        for _, (tensor, source, begin) in ordered:
            with source.open("rb") as part:
                part.seek(begin)
                left = tensor.nbytes
                while piece := part.read(min(left, _PIECE_BYTES)):
                    file.write(piece)
                    left -= len(piece)


def _read(path: Path) -> tuple[int, dict[str, Any]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > path.stat().st_size:
            msg = f"{path.name} has no header of {length} bytes"
            raise ValueError(msg)
        header: Any = _parsed(file.read(length))
    if not isinstance(header, dict):
        msg = f"the header of {path.name} lists nothing"
        raise ValueError(msg)  # noqa: TRY004 - as for all else that is wrong with it
    header.pop("__metadata__", None)
    return _LENGTH_BYTES + length, header


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except RecursionError:
        msg = "its header is nested too deeply"
        raise ValueError(msg) from None


def _tensor(name: str, part: Mapping[str, Any]) -> Tensor:
    try:
        begin, end = part["data_offsets"]
        lengths = begin, end, *part["shape"]
    except TypeError:
        msg = f"its header says of {name[:80]} what is no tensor"
        raise ValueError(msg) from None
    if any(type(length) is not int or length < 0 for length in lengths) or end < begin:
        msg = f"its header says of {name[:80]} what no tensor has"
        raise ValueError(msg)
    return Tensor(name, part["dtype"], tuple(part["shape"]), end - begin)


def _width(tensor: Tensor) -> int:
    """Return the bytes of one of its values."""
    count = 1
    for length in tensor.shape:
        count *= length
    return tensor.nbytes // count if count else 0
