"""Every command that README and docs show runs as it stands there.

Here all pages are played on one federation; README and the federation by hand in `test_readme`.
What cannot run stands in `NOT_HERE` with its reason; that its `fairwind` commands exist,
`tests/unit/test_docs.py` checks for every page.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from common.clock import wall_now
from tests.e2e.pages import IN_ORDER, NOT_HERE, left_out, pages, played
from tests.e2e.shell import Shell, blocks
from tests.e2e.terminal import PROJECT, processes_of

SITE_HOME = ".fairwind/sites/lyon"
"""Where a site of `fairwind up` has what stands in /var/lib/fairwind on a host of its own."""

EXAMPLES = ("heart", "reviews", "segmentation", "sensors", "lora")
"""The workloads of docs/workload.md, each a module of the folder `examples`."""


def test_every_block_is_played_or_says_why_not() -> None:
    unseen = set(NOT_HERE)
    for page in pages():
        for block in blocks(PROJECT / page):
            begins = left_out(page, block)
            unseen.discard((page, begins or ""))
            assert begins or page in {"README.md", *IN_ORDER}, f"{page}:\n{block}"
    assert unseen == set()


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
    for name in ("heart/run.toml", *(f"{name}/{name}.py" for name in EXAMPLES)):
        shutil.copy(PROJECT / "examples" / name, folder)
    for page, module in (("policies", "mine"), ("algorithms", "step")):
        text = (PROJECT / "docs" / f"{page}.md").read_text("utf-8")
        (code,) = re.findall(rf"```python\n(# {module}\.py.*?)```", text, re.DOTALL)
        (folder / f"{module}.py").write_text(code)
    sites = "lyon:FR,oslo:NO-NO1,berlin:DE"
    with Shell(folder) as shell:
        workloads = " ".join(f"--workload {name}" for name in EXAMPLES)
        shell.run(f"fairwind up --keep --sites {sites} {workloads}")
    yield folder
    with Shell(folder) as shell:
        shell.run("fairwind down")
    assert processes_of(folder) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", IN_ORDER)
def test_a_page_runs_as_it_stands(reader: Shell, page: str) -> None:
    if page == "docs/flower-apps.md":
        pytest.importorskip("flwr", reason="flwr is not installed: pip install -e '.[flwr]'")
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
            # It may end by itself just now; then there is nothing to stop.
            reader.run(f"fairwind run stop {run['id']} || true")
            reader.wait(partial(has_ended, reader, run["id"]), f"the end of {run['id']}")
    if "fairwind run stop" in block and "run start" not in block:
        reader.run('fairwind run start digits --rounds 3 --cron "0 22 * * *"')


def has_ended(reader: Shell, run: str) -> bool:
    seen = json.loads(reader.run(f"fairwind run show {run} --json"))
    return bool(seen["run"]["status"] == "ended")
