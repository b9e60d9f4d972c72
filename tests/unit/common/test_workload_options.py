"""Options of a run: typed on the command line, checked wherever they come from."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from common.workload_options import WorkloadOptions, options_of

ADAPTER = TypeAdapter(WorkloadOptions)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=1", 1), ("a=-2", -2), ("a=1.0", 1.0), ("a=1e-3", 1e-3), ("a=true", True),
        ("a=false", False), ("a=True", "True"), ("a=", ""), ("a=b=c", "b=c"), ("a=nan", "nan"),
    ],
)  # fmt: skip
def test_values_have_types(word, value):
    found = options_of((word,))["a"]
    assert (type(found), found) == (type(value), value)


def test_what_is_no_pair_is_refused():
    with pytest.raises(ValueError, match="'width' is not name=value"):
        options_of(("width",))


def test_types_survive_the_wire():
    options: WorkloadOptions = {"a": 1, "b": 1.0, "c": True, "d": "1"}
    read = ADAPTER.validate_json(ADAPTER.dump_json(options), strict=True)
    assert [(name, type(v), v) for name, v in read.items()] == [
        (name, type(v), v) for name, v in options.items()
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"a b": 1}, "'a b' is no name of an option"),
        ({"": 1}, "'' is no name of an option"),
        ({"a": [1]}, "a is neither number, true, false nor text"),
        ({"a": None}, "a is neither number, true, false nor text"),
        ({"a": float("inf")}, "a=inf is not finite"),
        ({"a": "x" * 1001}, "a has 1001 characters: give 1000 at most"),
        ({f"a{n}": n for n in range(65)}, "there are 65 options: give 64 at most"),
        (3, "options are a table of names and values"),
    ],
)
def test_what_cannot_be_handed_on_is_refused(options, said):
    with pytest.raises(ValidationError, match=said):
        ADAPTER.validate_python(options)
