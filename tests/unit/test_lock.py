"""What the images install by hash is what was tested, and all of it."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docker" / "requirements-hashes.txt").read_text("utf-8")
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", TEXT, re.MULTILINE))


@pytest.fixture
def lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock", PROJECT / "docker" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_that_fairwind_needs_is_locked_but_for_torch(lock: ModuleType) -> None:
    assert LOCKED.keys() == lock.needed() - {"fairwind", "torch"}


def test_each_locked_version_is_the_one_that_is_pinned_and_installed(lock: ModuleType) -> None:
    pins = {name: re.split(r"==|;", line)[1] for name, line in lock.pins().items()}
    assert {name: pins[name] for name in LOCKED} == LOCKED
    for name, locked in LOCKED.items():
        try:
            assert version(name) == locked, name
        except PackageNotFoundError:
            assert ";" in lock.pins()[name], f"{name} is locked, and no Python has it"


def test_each_locked_package_has_hashes() -> None:
    packages = re.split(r"^(?=[a-z0-9-]+==)", TEXT, flags=re.MULTILINE)[1:]
    assert {canonicalize_name(each.partition("==")[0]) for each in packages} == LOCKED.keys()
    for each in packages:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", each), each
