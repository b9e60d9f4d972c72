"""Every error crosses a process border whole, and is drawn in the tree."""

import importlib
import json
import pickle
import pkgutil

import pytest

import common
import models
import scheduler
import tasks
from common import errors
from common.errors import FairwindError, describe


def every_error() -> list[type[FairwindError]]:
    """Return the tree's classes, wherever in our packages they are defined."""
    for package in (common, scheduler, models, tasks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found, queue = [], [FairwindError]
    while queue:
        found.append(kind := queue.pop())
        queue.extend(kind.__subclasses__())
    return found


ERRORS = every_error()
TEXT = "The broker is gone, so no task can be sent. Start it."


def test_there_are_errors_to_look_at():
    assert len(ERRORS) >= 9


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_rebuilds_from_its_arguments(kind):
    error = kind(TEXT)
    again = type(error)(*error.args)
    assert (type(again), str(again), again.args) == (kind, TEXT, (TEXT,))


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_survives_pickle_and_its_arguments_json(kind):
    # Ours never pickle; Celery's pool does, within one machine, with whatever a task raises.
    again = pickle.loads(pickle.dumps(kind(TEXT)))  # noqa: S301 - bytes of our own
    assert (type(again), str(again)) == (kind, TEXT)
    assert str(kind(*json.loads(json.dumps(kind(TEXT).args)))) == TEXT


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_drawn_in_the_tree_under_its_parent(kind):
    assert errors.__doc__ is not None
    lines = [line.strip(" ├└─│") for line in errors.__doc__.splitlines()]
    drawn = [line for line in lines if line.split(" ")[0] == kind.__name__]
    assert len(drawn) == 1
    if kind is not FairwindError:
        said = drawn[0].removeprefix(kind.__name__).strip()
        assert len(said) > 10


def test_the_tree_draws_no_error_that_is_not_there():
    names = {kind.__name__ for kind in ERRORS}
    assert errors.__doc__ is not None
    drawn = {word for word in errors.__doc__.split() if word.endswith("Error")}
    drawn |= {word for word in errors.__doc__.split() if word.startswith("Signal")}
    assert drawn == names


def test_an_error_without_a_message_is_silent_not_broken():
    assert str(FairwindError()) == ""


class RudeError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("raised", "described"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (RudeError(), "RudeError: (its text cannot be shown)"),
        (ValueError("\ud800"), r"ValueError: \ud800"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyError("a" * 400 + "z"), f"KeyError: '{'a' * 149} ... {'a' * 148}z'"),
    ],
)
def test_whatever_was_raised_is_described_in_one_line(raised, described):
    assert describe(raised) == described


def test_an_error_of_ours_holds_only_text_that_can_be_encoded():
    assert str(FairwindError("a file named \udcff")).encode() == rb"a file named \udcff"
