"""The rooms as the source shows them: no import circle, lazy imports and type checking included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

ROOTS = ("common", "scheduler", "models", "tasks", "simulation")

NAMES_A_MODULE = re.compile(rf"^(?:{'|'.join(ROOTS)})(?:\.\w+)+(?::\w+)?$")
"""A string such as those that `import_module`, Celery and kombu take."""


@cache
def sources() -> dict[str, Path]:
    """Return every module of ours by its name."""
    found = {}
    for root in ROOTS:
        for path in (PROJECT / root).rglob("*.py"):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def named(tree: ast.AST) -> Iterator[str]:
    """Yield every dotted name that a module imports, at whichever depth, or names in a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                assert node.level == 0, f"{module} is imported relatively"
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Constant(value=str(text)) if NAMES_A_MODULE.match(text):
                yield text.partition(":")[0]


@cache
def imports() -> dict[str, set[str]]:
    """Return which modules of ours each module imports, its own packages left out."""
    return {
        module: set(ours(module, named(ast.parse(path.read_text("utf-8")))))
        for module, path in sources().items()
    }


def ours(importer: str, names: Iterator[str]) -> Iterator[str]:
    for name in names:
        # An imported name is a module, or something inside one.
        module = name if name in sources() else name.rpartition(".")[0]
        if module in sources() and not f"{importer}.".startswith(f"{module}."):
            yield module


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the groups of nodes that reach each other, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[-len(group) :]
            if len(group) > 1:
                found.append(set(group))

    for node in graph:
        if node not in order:
            visit(node)
    return found


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_module_imports_itself_by_way_of_others():
    assert circles(imports()) == []


@pytest.mark.parametrize("root", ROOTS)
def test_no_room_imports_itself_by_way_of_others(root):
    rooms: dict[str, set[str]] = {}
    for module, imported in imports().items():
        if module.startswith(f"{root}."):
            others = {room(each) for each in imported if each.startswith(f"{root}.")}
            rooms.setdefault(room(module), set()).update(others - {room(module)})
    assert circles(rooms) == []


@pytest.mark.parametrize(
    ("library", "home"), [("httpx", "scheduler.carbon"), ("sqlalchemy", "scheduler.ledger")]
)
def test_a_library_is_imported_in_one_room_only(library, home):
    users = {
        module
        for module, path in sources().items()
        if any(name.split(".")[0] == library for name in named(ast.parse(path.read_text("utf-8"))))
    }
    assert users
    assert {module for module in users if not module.startswith(f"{home}.")} == set()


def test_imports_are_found_wherever_they_hide():
    text = """
import common.clock
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from scheduler.gate import gate
def lazily():
    from models.update import State
    import_module("tasks.site.worker").prepare()
    alias = "tasks.kombu_transport:Transport"
"""
    found = set(ours("simulation.run", named(ast.parse(text))))
    assert found == {
        "common.clock", "scheduler.gate.gate", "models.update", "tasks.site.worker",
        "tasks.kombu_transport",
    }  # fmt: skip


def test_circles_are_found_and_nothing_else_is():
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": set(), "f": {"f", "a"}}
    assert circles(graph) == [{"a", "b", "c"}]
