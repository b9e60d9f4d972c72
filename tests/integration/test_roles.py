"""A role imports only what it runs: seen from inside fresh processes."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

LOOK = "import json, sys; print(json.dumps(sorted(sys.modules)))"

ROLES = {
    "site": "import tasks.app, tasks.site.train",
    "beat": (
        "from tasks.celery import app; from celery.apps.beat import Beat;"
        "Beat(app=app).init_loader()"
    ),
    "flower": "import tasks.app, flower.command, flowerconfig",
    "cli": "import tasks.app, tasks.cli",
    "status": (
        "from click.testing import CliRunner; from tasks.cli import fairwind;"
        "done = CliRunner().invoke(fairwind, ['enroll', 'a', '--zone', 'FR']);"
        "assert done.exit_code == 0, done.output;"
        "done = CliRunner().invoke(fairwind, ['status']);"
        "assert done.exit_code == 0, done.output"
    ),
}


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """Return which modules a process of a role has loaded."""
    home = tmp_path_factory.mktemp("home")

    @cache
    def look(role: str) -> frozenset[str]:
        ours = {name: value for name, value in os.environ.items() if "FAIRWIND" not in name}
        program = f"{ROLES[role]}\n{LOOK}"
        done = subprocess.run(
            [sys.executable, "-c", program],
            # No Redis is needed: nothing here connects.
            env=ours | {"FAIRWIND_HOME": str(home), "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0"},
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return frozenset(json.loads(done.stdout.splitlines()[-1]))

    return look


def found(modules: frozenset[str], *names: str) -> set[str]:
    return {module for module in modules if module.split(".")[0] in names}


def test_a_site_loads_neither_ledger_nor_scheduler(loaded):
    assert found(loaded("site"), "sqlalchemy", "scheduler") == set()
    assert found(loaded("site"), "flower", "tornado", "croniter") == set()
    assert "torch" in loaded("site")


@pytest.mark.parametrize("role", ["beat", "flower", "cli", "status"])
def test_beat_flower_and_the_command_line_load_no_torch(loaded, role):
    assert found(loaded(role), "torch", "sklearn", "safetensors") == set()


def test_beat_loads_nothing_that_decides(loaded):
    assert found(loaded("beat"), "sqlalchemy", "scheduler", "models") == set()


def test_the_roles_are_looked_at_in_processes_that_did_load_them(loaded):
    assert "celery.apps.beat" in loaded("beat")
    assert "tasks.monitor.install" in loaded("flower")
    assert "scheduler.ledger.ledger" in loaded("status")
