"""Verdicts as they are kept: one compressed blob a plan, which the event ``round.planned`` names.

It holds lines of JSON: how much each part of a score counts, then one row a client. Rows hold codes
and numbers; sentences are made when they are read. Figures are kept to six digits.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, TypeAdapter

from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import Because, GateChanged, VerdictCode
from scheduler.ledger.events.base import Record
from scheduler.selection.client_table import Floats, Ints
from scheduler.selection.verdict import VERDICTS, Verdicts

_DIGITS = 6

_LEVEL = 1
"""Of compression: of 10,000 rows the default level makes 13 % less in more than three times the
time, while a round waits."""

_MOST_DECIMALS = 22
"""The greatest power of ten that a float holds exactly."""


class VerdictRow(Record):
    """One client's verdict.

    Attributes:
        client: Its name.
        code: Why it is or is not invited.
        gate: Its gate; `None` if it had none.
        score: From 0 to 1 (best).
        figures: What its score rests on, in the order of the table's `weights`; `None` if unknown.
        expected_gco2eq: What its update is expected to emit, gCO2eq; `None` without experience.
        note: The figures behind the policy's choice, if any.
    """

    client: str
    code: VerdictCode
    gate: GateChanged | None = None
    score: float
    figures: tuple[float | None, ...]
    expected_gco2eq: float | None = None
    note: Because = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerdictTable:
    """The verdicts of one plan.

    Attributes:
        weights: How much each part of the scores counts.
        rows: In the order in which the clients enrolled.
    """

    weights: Mapping[str, float]
    rows: tuple[VerdictRow, ...]


_WEIGHTS = TypeAdapter(dict[str, float])
_ROW = TypeAdapter(dict[str, Any])


def keep_verdicts(blobs: Blobs, verdicts: Verdicts) -> str:
    """Keep a plan's verdicts in a blob, synced to disk, and return its name."""
    lines = [_WEIGHTS.dump_json(dict(verdicts.scores.weights))]
    lines += _rows(verdicts)
    return blobs.put(zlib.compress(b"\n".join(lines), _LEVEL))


def read_verdicts(blobs: Blobs, name: str | None) -> VerdictTable | None:
    """Return the verdicts that `keep_verdicts` kept under a name, `None` if they are unknown.

    They are unknown where the plan names no blob, and where the blob is gone or damaged.
    """
    kept = blobs.read(name) if name is not None else None
    if kept is None:
        return None
    try:
        weights, *rows = zlib.decompress(kept).split(b"\n")
        return VerdictTable(
            _WEIGHTS.validate_json(weights), tuple(map(VerdictRow.model_validate_json, rows))
        )
    except (ValueError, zlib.error):
        return None


def _rows(verdicts: Verdicts) -> Iterator[bytes]:
    """Yield the line of each `VerdictRow`; a model made for each takes longer.

    One row comes after the other: ten thousand at once would keep the garbage collector busy.
    """
    scores, gates = verdicts.scores, _gates(verdicts)
    columns = zip(
        verdicts.clients,
        verdicts.codes.tolist(),
        _rounded(scores.values),
        zip(*map(_listed, scores.figures.values()), strict=True),
        _listed(verdicts.expected_gco2eq),
        strict=True,
    )
    for client, code, score, figures, expected in columns:
        yield _ROW.dump_json(
            {
                "client": client,
                "code": VERDICTS[code],
                "gate": gates.get(client),
                "score": score,
                "figures": figures,
                "expected_gco2eq": expected,
                "note": dict(verdicts.notes.get(client, {})),
            }
        )


def _gates(verdicts: Verdicts) -> dict[str, dict[str, Any]]:
    """Return the gates as they are kept, by client; clients of one zone share most of them."""
    known = {id(gate): gate for gate in verdicts.gates.values()}
    kept = {key: gate.to_payload().model_dump(mode="json") for key, gate in known.items()}
    return {client: kept[id(gate)] for client, gate in verdicts.gates.items()}


def _listed(column: Floats | Ints) -> list[float | None]:
    return [None if math.isnan(figure) else figure for figure in _rounded(column)]


def _rounded(column: Floats | Ints) -> list[float]:
    """Return figures to so many digits, as the floats that are written with so many."""
    size = np.abs(np.where(np.isfinite(column) & (column != 0), column, 1.0))
    decimals = (_DIGITS - 1 - np.floor(np.log10(size))).clip(max=_MOST_DECIMALS)
    up, down = 10.0 ** decimals.clip(min=0), 10.0 ** (-decimals).clip(min=0)
    rounded: list[float] = (np.rint(column * up / down) / up * down).tolist()
    return rounded
