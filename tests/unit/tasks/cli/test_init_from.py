"""The model that a run begins from, as it is named on the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from common.errors import BlobError, FederationError, SettingError
from scheduler.federation.federation import Federation
from scheduler.ledger.blobs import Blobs
from tasks.cli.init_from import first_version, kept_if_started
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld


@pytest.fixture
def state() -> Federation:
    """A federation with a run that is over, and one that has not begun."""
    made = MemoryWorld("a", "b", hours=[100.0, 100.0])
    made.start("r", rounds=2, policy="all")
    made.play(HOUR)
    assert len(made.history.state.runs["r"].closed) == 2
    return made.history.state


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def test_versions_of_a_run_are_found(state, blobs):
    run = state.runs["r"]
    assert first_version("r", state, blobs) == run.version == run.closed[1].version
    assert first_version("r:best", state, blobs) == (run.best_version or run.version)
    assert first_version("r:0", state, blobs) == run.closed[0].base_version
    assert first_version("r:1", state, blobs) == run.closed[0].version


def test_a_file_becomes_a_blob_and_may_go(state, blobs, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"weights")
    name = first_version(str(path), state, blobs)
    path.unlink()
    assert name == hashlib.sha256(b"weights").hexdigest()
    assert blobs.read(name) == b"weights"
    assert first_version(name, state, blobs) == name


@pytest.mark.parametrize("which", ["3", "bets", "-1", "9" * 30, "½"])
def test_a_version_that_a_run_has_not_is_refused(state, blobs, which):
    with pytest.raises(FederationError) as caught:
        first_version(f"r:{which}", state, blobs)
    assert str(caught.value) == (
        f"The run r has no version {which!r}, so no run was started. It has rounds 0 to 2: give r, "
        "r:best or r:ROUND."
    )


def test_an_unknown_run_is_refused(state, blobs):
    with pytest.raises(FederationError, match="There is no run 'rr'"):
        first_version("rr", state, blobs)


@pytest.mark.parametrize("given", [3, "", True])
def test_what_names_no_model_is_refused(state, blobs, given):
    with pytest.raises(SettingError, match="is no model, so no run was started"):
        first_version(given, state, blobs)


def test_a_file_that_is_not_there_is_refused(state, blobs, tmp_path):
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(SettingError) as caught:
            first_version(f"{path}", state, blobs)
        assert str(caught.value).startswith(f"The file {path} of --init-from cannot be read (")


def test_a_hash_without_a_blob_is_refused(state, blobs):
    with pytest.raises(BlobError):
        first_version("0" * 64, state, blobs)


def test_a_refused_run_leaves_no_blob_of_its_file_behind(state, blobs, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"weights")
    with pytest.raises(FederationError), kept_if_started(str(path), state, blobs) as name:
        raise FederationError
    assert not blobs.path(name).exists()
    with kept_if_started(str(path), state, blobs) as name:
        assert blobs.read(name) == b"weights"
    with pytest.raises(FederationError), kept_if_started(str(path), state, blobs):
        raise FederationError
    assert blobs.read(name) == b"weights", "it was there before"
