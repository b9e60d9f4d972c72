"""Verdicts as the ledger keeps them: codes and numbers in columns, no sentences.

A row a client would take 700 bytes; columns take about 70. A column is a list with one item a
client; or, where few differ, those that do (``of``) and of each client which is its (``at``); or
what all have (``all``). Figures are kept to six digits, those of a policy's notes to four. Ledgers
of earlier versions hold rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from scheduler.gate.gate import Gate
from scheduler.policies.result import Because
from scheduler.selection.client_table import Floats, Ints
from scheduler.selection.score import Scores
from scheduler.selection.verdict import VERDICTS, Verdicts

_DIGITS = 6
_NOTE_DIGITS = 4
"""Of figures that explain and are not counted with."""

_MOST_DECIMALS = 22
"""The greatest power of ten that a float holds exactly."""

_GRAMS = "grams_per_update"

_OWN = ("changed_s", "waited_s")
"""Numbers of a gate that differ from client to client."""


def describe(verdicts: Verdicts) -> dict[str, Any]:
    """Return everybody's verdict as JSON can hold it."""
    figures = verdicts.scores.figures
    return {
        "client": list(verdicts.clients),
        "code": _coded([VERDICTS[code] for code in verdicts.codes.tolist()]),
        "gate": _describe_gates(verdicts),
        "expected_gco2eq": _describe_expected(verdicts),
        "score": _shortened(verdicts.scores.values),
        "weights": dict(verdicts.scores.weights),
        "figures": {name: _shortened(column) for name, column in figures.items()},
        "note": _describe_notes(verdicts),
    }


def read_verdicts(body: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Verdicts:
    """Return the verdicts that `describe` made `body` of, or an earlier version's rows."""
    columns = body if isinstance(body, Mapping) else _columns(body)
    clients = columns["client"]
    size = len(clients)
    figures = {name: _floats(_listed(c, size)) for name, c in columns["figures"].items()}
    values = _floats(_listed(columns["score"], size))
    return Verdicts(
        clients,
        np.array([VERDICTS.index(c) for c in _listed(columns["code"], size)], dtype=np.int64),
        _ToldGates(clients, columns["gate"]),
        Scores(figures, columns["weights"], values=values),
        _expected(columns["expected_gco2eq"], figures, size),
        _notes(columns["note"], clients),
    )


class _ToldGates(Mapping[str, Gate]):
    """Gates as a ledger's columns tell them, each made when it is read."""

    def __init__(self, clients: Sequence[str], told: Mapping[str, Any]) -> None:
        self._places = {client: place for place, client in enumerate(clients)}
        size = len(clients)
        self._kinds, self._since = _listed(told["kind"], size), _listed(told["since"], size)
        self._own = dict(zip(told["own"]["place"], told["own"]["span_s"], strict=True))

    def __getitem__(self, client: str) -> Gate:
        place = self._places[client]
        kind = self._kinds[place]
        if kind["state"] is None:
            raise KeyError(client)
        own = dict.fromkeys(kind["own"], self._own.get(place))
        since = datetime.fromisoformat(self._since[place])
        return Gate(kind["state"], since, kind["reason"], kind["numbers"] | own)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _describe_gates(verdicts: Verdicts) -> dict[str, Any]:
    gates, clients = verdicts.gates, verdicts.clients
    since = [gates[client].since if client in gates else None for client in clients]
    every = [_kind(gates.get(client)) for client in clients]
    kinds = list({repr(kind): kind for kind in every}.values())
    place_of = {repr(kind): place for place, kind in enumerate(kinds)}
    like = [place_of[repr(kind)] for kind in every]
    owners = {place: kind["own"][0] for place, n in enumerate(like) if (kind := kinds[n])["own"]}
    return {
        "kind": {"of": kinds, "at": like},
        "since": _coded(since, show=datetime.isoformat),
        "own": {
            "place": list(owners),
            "span_s": [gates[clients[place]].numbers[name] for place, name in owners.items()],
        },
    }


def _kind(gate: Gate | None) -> dict[str, Any]:
    if gate is None:
        return {"state": None, "own": []}
    return {
        "state": gate.state,
        "reason": gate.reason,
        "numbers": {name: n for name, n in gate.numbers.items() if name not in _OWN},
        "own": [name for name in gate.numbers if name in _OWN],
    }


def _describe_expected(verdicts: Verdicts) -> dict[str, Any]:
    """Return whose grams are not those its score rests on: they are to do fewer epochs."""
    usual, expected = verdicts.scores.figures[_GRAMS], verdicts.expected_gco2eq
    others = np.flatnonzero((usual != expected) & ~np.isnan(expected))
    return {"place": others.tolist(), "gco2eq": _listed_figures(_rounded(expected[others]))}


def _expected(told: Mapping[str, Any], figures: Mapping[str, Floats], size: int) -> Floats:
    expected = np.array(figures.get(_GRAMS, np.full(size, np.nan)))
    expected[told["place"]] = _floats(told["gco2eq"])
    return expected


def _describe_notes(verdicts: Verdicts) -> list[dict[str, Any]]:
    """Return notes as columns, those of the same names together."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, client in enumerate(verdicts.clients):
        if client in verdicts.notes:
            alike.setdefault(tuple(verdicts.notes[client]), []).append(place)
    told = []
    for names, places in alike.items():
        notes = [verdicts.notes[verdicts.clients[place]] for place in places]
        says = {name: _mixed([note[name] for note in notes]) for name in names}
        told.append({"place": places, "says": says})
    return told


def _notes(told: Sequence[Mapping[str, Any]], clients: Sequence[str]) -> dict[str, Because]:
    notes: dict[str, Because] = {}
    for group in told:
        size = len(group["place"])
        columns = {name: _listed(column, size) for name, column in group["says"].items()}
        for row, place in enumerate(group["place"]):
            notes[clients[place]] = {name: column[row] for name, column in columns.items()}
    return notes


def _mixed(values: Sequence[float | str | None]) -> Any:
    """Return a column of words or of figures."""
    words = [value for value in values if isinstance(value, str)]
    figures = [value for value in values if not isinstance(value, str)]
    if not words:
        return _shortened(_floats(figures), digits=_NOTE_DIGITS)
    return _coded(values) if all(figure is None for figure in figures) else list(values)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns of an earlier version's rows."""
    weights = {name: part[2] for row in rows for name, part in row["parts"].items()}
    gates = [row["gate"] for row in rows]
    return {
        "client": [row["client"] for row in rows],
        "code": [row["code"] for row in rows],
        "gate": {
            "kind": [(gate or {"state": None}) | {"own": []} for gate in gates],
            "since": [gate and gate["since"] for gate in gates],
            "own": {"place": [], "span_s": []},
        },
        "expected_gco2eq": {
            "place": list(range(len(rows))),
            "gco2eq": [row["expected_gco2eq"] for row in rows],
        },
        "score": [row["score"] for row in rows],
        "weights": weights,
        "figures": {
            name: [row["parts"][name][0] if name in row["parts"] else None for row in rows]
            for name in weights
        },
        "note": [
            {"place": [place], "says": {name: [said] for name, said in row["note"].items()}}
            for place, row in enumerate(rows)
            if "note" in row
        ],
    }


def _coded(values: Sequence[Any], *, show: Callable[[Any], str] = str) -> Any:
    """Return a column of words or times, each shown once; `None` stays."""
    places: dict[Any, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    of = [None if value is None else show(value) for value in places]
    return {"all": of[0]} if len(of) == 1 else {"of": of, "at": at}


def _shortened(column: Floats | Ints, *, digits: int = _DIGITS) -> Any:
    """Return a column of figures to so many digits, each once where few differ; NaN is `None`."""
    rounded = _rounded(column, digits)
    of, at = np.unique(rounded, return_inverse=True)
    listed = _listed_figures(of)
    if len(listed) == 1:
        return {"all": listed[0]}
    few = len(listed) <= len(column) // _FEW
    return {"of": listed, "at": at.tolist()} if few else _listed_figures(rounded)


_FEW = 10
"""A column in which each figure occurs so many times on average is coded."""


def _listed_figures(column: Floats) -> list[float | None]:
    return [None if math.isnan(figure) else figure for figure in column.tolist()]


def _rounded(column: Floats | Ints, digits: int = _DIGITS) -> Floats:
    """Return figures to so many digits, as the floats that are written with so many."""
    size = np.abs(np.where(np.isfinite(column) & (column != 0), column, 1.0))
    decimals = (digits - 1 - np.floor(np.log10(size))).clip(max=_MOST_DECIMALS)
    up, down = 10.0 ** decimals.clip(min=0), 10.0 ** (-decimals).clip(min=0)
    rounded: Floats = np.rint(column * up / down) / up * down
    return rounded


def _listed(column: Any, size: int) -> list[Any]:
    if isinstance(column, list):
        return column
    return [column["all"]] * size if "all" in column else [column["of"][n] for n in column["at"]]


def _floats(figures: Sequence[float | None]) -> Floats:
    return np.array(figures, dtype=np.float64)
