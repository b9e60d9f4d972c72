"""A verb loads what it needs: seen from inside fresh processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from common.command_line.lazy_group import LazyGroup
from tasks.cli import VERBS, fairwind

PROJECT = Path(__file__).parents[4]

HEAVY = {
    "celery", "croniter", "flower", "httpx", "kombu", "numpy", "redis", "scipy", "sqlalchemy",
    "structlog", "torch", "tornado",
}  # fmt: skip
"""Libraries that take long to load."""

LEDGER = {"sqlalchemy", "structlog", "croniter"}
"""What reading the ledger takes."""

SENDS = {"celery", "kombu", "redis"}
"""What waking the coordinator takes."""

LOADS: dict[str, set[str]] = {
    "--help": set(),
    "--version": set(),
    "settings": set(),
    "status --json": LEDGER | {"redis"},
    "clients": LEDGER | {"redis"},
    "run list": LEDGER,
    "ledger show": LEDGER,
    "ledger verify": LEDGER,
    "retire lyon": LEDGER,
    "zones": {"structlog", "croniter"},
    "forecast FR --hours 1": {"structlog", "croniter", "numpy"},
    "run start --help": {"structlog", "croniter", "numpy"},
    "plan": LEDGER | {"numpy", "redis"},
    "enroll oslo --zone NO-NO1": LEDGER | SENDS,
}
"""By words of the command line: the most that it may load."""

RUN = """
import json, sys
from tasks.cli import fairwind
try:
    fairwind(sys.argv[1:], prog_name="fairwind")
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def loaded(words: str, home: Path) -> set[str]:
    """Return the top-level modules in memory once a command line was run."""
    ours = {name: value for name, value in os.environ.items() if "FAIRWIND" not in name}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words.split()],
        # Nothing listens there: what is sent is lost at once.
        env=ours | {"FAIRWIND_HOME": str(home), "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0"},
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The folder of a coordinator with one client."""
    folder: Path = tmp_path_factory.mktemp("home")
    loaded("enroll lyon --zone FR", folder)
    return folder


@pytest.mark.parametrize("words", LOADS)
def test_a_verb_loads_no_library_that_it_does_not_need(words, home):
    found = loaded(words, home)
    assert found & HEAVY <= LOADS[words]
    assert "click" in found


def test_the_command_itself_loads_no_verb():
    code = "import sys, tasks.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert "tasks.cli" in names
    assert {name for name in names if name.startswith(("tasks.cli.", "scheduler"))} == set()


def test_every_verb_is_where_the_table_says_and_has_a_line_of_help():
    for name, verb in VERBS.items():
        assert verb.load().name == name
        assert verb.help.endswith(".")


def test_a_verb_of_a_room_above_is_found_by_its_entry_point():
    context = click.Context(fairwind)
    assert "simulate" in fairwind.list_commands(context)
    found = fairwind.get_command(context, "simulate")
    assert found is not None
    assert found.name == "simulate"


def test_an_unknown_verb_is_answered_by_the_nearest_known_one():
    done = CliRunner().invoke(fairwind, ["clints"])
    assert (done.exit_code, "Did you mean 'clients'?" in done.stderr) == (2, True)


def test_verbs_are_completed_with_their_help():
    assert isinstance(fairwind, LazyGroup)
    items = fairwind.shell_complete(click.Context(fairwind), "en")
    assert [(item.value, item.help) for item in items] == [("enroll", VERBS["enroll"].help)]
