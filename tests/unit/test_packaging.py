"""What pyproject.toml and constraints.txt promise is true."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
PROMISED: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
PACKAGES = [
    name.removesuffix("*") for name in PROMISED["tool"]["setuptools"]["packages"]["find"]["include"]
]


def constraints() -> dict[str, list[Requirement]]:
    lines = (PROJECT / "constraints.txt").read_text("utf-8").splitlines()
    found: dict[str, list[Requirement]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def promised_dependencies() -> list[Requirement]:
    project = PROMISED["project"]
    extras = project["optional-dependencies"]
    return [
        Requirement(line)
        for line in (
            *project["dependencies"],
            *(
                each
                for name in ("demo", "dev", "flwr", "mlflow", "tensorboard")
                for each in extras[name]
            ),
        )
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (PROJECT / package / "py.typed").is_file()
    assert "py.typed" in PROMISED["tool"]["setuptools"]["package-data"][package]
    assert "Typing :: Typed" in PROMISED["project"]["classifiers"]


def test_every_file_beside_the_code_is_shipped() -> None:
    data = PROMISED["tool"]["setuptools"]["package-data"]
    shipped = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (PROJECT / package.replace(".", "/")).glob(pattern)
        if path.is_file()
    }
    beside = {
        path
        for package in PACKAGES
        for path in (PROJECT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert beside == shipped


def test_every_module_at_the_top_is_shipped() -> None:
    modules = PROMISED["tool"]["setuptools"]["py-modules"]
    assert sorted(path.stem for path in PROJECT.glob("*.py")) == sorted(modules)


def test_licences_are_there() -> None:
    files = PROMISED["project"]["license-files"]
    assert [name for name in files if not (PROJECT / name).is_file()] == []
    bundled = [
        str(path.relative_to(PROJECT))
        for name in PACKAGES
        for path in (PROJECT / name).rglob("LICENSE*")
    ]
    assert set(bundled) <= set(files)


def test_entry_points_lead_to_what_they_name() -> None:
    project = PROMISED["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    for target in (target for group in groups for target in group.values()):
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name)), target


@pytest.mark.parametrize("dependency", promised_dependencies(), ids=str)
def test_what_was_tested_is_pinned_within_its_range(dependency: Requirement) -> None:
    pinned = constraints().get(canonicalize_name(dependency.name), [])
    assert pinned, f"constraints.txt lacks {dependency.name}"
    (pin,) = (specifier.version for requirement in pinned for specifier in requirement.specifier)
    assert dependency.specifier.contains(pin)


@pytest.mark.parametrize("python", ["3.11.2", "3.11.3", "3.12.0"])
def test_constraints_hold_all_that_our_dependencies_need(python: str) -> None:
    """Debian 12's own Python is 3.11.2, for which redis needs async-timeout."""
    environment: dict[str, str] = {
        **_this_machine(), "python_full_version": python,
        "python_version": python.rpartition(".")[0], "extra": "",
    }  # fmt: skip
    pinned = {
        name
        for name, requirements in constraints().items()
        if any(each.marker is None or each.marker.evaluate(environment) for each in requirements)
    }
    needed = {canonicalize_name(each.name) for each in promised_dependencies()}
    missing: dict[str, str] = {}
    waiting = sorted(needed)
    while waiting:
        name = waiting.pop()
        for line in _requires(name):
            needs = Requirement(line)
            wanted = canonicalize_name(needs.name)
            if needs.marker is not None and not needs.marker.evaluate(environment):
                continue
            if wanted not in pinned and not _is_of_the_accelerator(wanted):
                missing[wanted] = name
            if wanted not in needed:
                needed.add(wanted)
                waiting.append(wanted)
    assert missing == {}


def _this_machine() -> dict[str, str]:
    return {name: str(value) for name, value in default_environment().items()}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except ModuleNotFoundError:  # of another platform
        return []


def _is_of_the_accelerator(name: str) -> bool:
    return fnmatch(name, "nvidia-*") or name in {"triton", "setuptools"} or fnmatch(name, "cuda-*")
