"""Any payload of any kind, as hypothesis draws it from the fields of its model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from scheduler.ledger.events import ManifestLine
from scheduler.ledger.run_spec import RunSpec

_TIMES = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the time zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - (the same)
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3))]),
)

_SPECS = st.builds(
    RunSpec,
    id=st.just("r"),
    workload=st.from_regex(r"[^\W\d]\w{0,8}(:[^\W\d]\w{0,8})?", fullmatch=True),
    metric=st.text(max_size=9),
    rounds=st.integers(1, 99),
    hours=st.none() | st.floats(0.1, 99),
    cron=st.none() | st.just("*/5 * * * *"),
)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=9),
    bool: st.booleans(),
    NoneType: st.none(),
    AwareDatetime: _TIMES,
    RunSpec: _SPECS,
}


def values(annotation: Any, constraints: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Return what a field with this annotation and these constraints may hold."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _alone(annotation, constraints)
    if origin is Annotated:
        inner = args[1].metadata if isinstance(args[1], FieldInfo) else args[1:]
        return values(args[0], (*constraints, *inner))
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of([values(arg, () if arg is NoneType else constraints) for arg in args])
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    assert origin is tuple, annotation
    return st.lists(values(args[0]), max_size=3).map(tuple)


def made(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return instances of a model."""
    fields = model.model_fields.items()
    return st.builds(model, **{name: values(f.annotation, tuple(f.metadata)) for name, f in fields})


def _alone(annotation: Any, constraints: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """Return what a field may hold whose type has no arguments."""
    if annotation in (int, float):
        return _number(annotation, constraints)
    if annotation is str and (patterns := [p for c in constraints if (p := _pattern(c))]):
        return st.from_regex(patterns[0], fullmatch=True)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is ManifestLine:
        hints = get_type_hints(annotation, include_extras=True)
        return st.builds(annotation, **{name: values(hint) for name, hint in hints.items()})
    return made(annotation)


def _pattern(constraint: Any) -> str:
    # "$" would let hypothesis add a line break, which pydantic refuses.
    return str(getattr(constraint, "pattern", "")).strip("^$")


def _number(annotation: type[int | float], constraints: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    low: Any = next((c.ge for c in constraints if isinstance(c, Ge)), None)
    above: Any = next((c.gt for c in constraints if isinstance(c, Gt)), None)
    high: Any = next((c.le for c in constraints if isinstance(c, Le)), None)
    below: Any = next((c.lt for c in constraints if isinstance(c, Lt)), None)
    if annotation is int:
        most = 2**40 - 1 if high is None else high
        return st.integers(low, most if below is None else below - 1)
    return st.floats(
        low if above is None else above, high if below is None else below, allow_nan=False,
        allow_infinity=False, exclude_min=above is not None, exclude_max=below is not None,
    )  # fmt: skip
