"""The blocks of commands of README and docs, and which of them are played here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.e2e.shell import blocks, lines
from tests.e2e.terminal import PROJECT

BY_HAND = "### By hand, on one machine"

IN_ORDER = (
    "docs/workload.md", "docs/federation.md", "docs/site-policy.md", "docs/policies.md",
    "docs/algorithms.md",
    "docs/asynchronous.md", "docs/devices.md", "docs/flower-apps.md", "docs/tracking.md",
    "docs/operations.md", "docs/accounting.md", "docs/advice.md", "docs/simulation.md",
)  # fmt: skip
"""The pages that are played on one federation, one after the other."""

NOT_HERE = {
    ("README.md", "git clone <this repository> fairwind"): "clones; test_demo plays the demo",
    ("docs/demo.md", "make demo"): "installs first; test_demo plays the command beneath",
    ("docs/demo.md", ". .fairwind/demo/env"): "played in test_demo, on the demonstration",
    ("docs/demo.md", "FAIRWIND_SIGNAL=neso make demo"): "needs the internet",
    ("docs/simulation.md", ". .fairwind/demo/env"): "played in test_demo, on the demonstration",
    ("docs/carbon-providers.md", "FAIRWIND_SIGNAL="): "settings with a key of one's own",
    (
        "docs/robust.md",
        "fairwind run start digits --rounds 10",
    ): "needs three sites; see test_robust",
    ("docs/privacy.md", "pip install '.[privacy]'"): "installs; see test_private_runs",
    ("docs/operations.md", "FAIRWIND_SIGNAL="): "settings with a key of one's own",
    ("docs/operations.md", "pip install --no-deps"): "installs; the images do it",
    ("docs/operations.md", "sqlite3 "): "a back-up in /backup, with sqlite3 and rsync",
    ("docs/operations.md", "fairwind ledger verify --heads"): "files that two sites have sent",
    (
        "docs/operations.md",
        "fairwind site audit",
    ): "a site's folder; see test_audit_trail",
    ("docs/operations.md", "rm -rf "): "replaces the ledger by the back-up in /backup",
    ("docs/federation.md", "python3.11 -m venv /opt/fairwind"): "installs in /opt",
    ("docs/federation.md", "FAIRWIND_REDIS_URL="): "an environment file, of a TLS broker elsewhere",
    ("docs/federation.md", "cd /var/lib/fairwind"): "a host's own folder and its systemd services",
    ("docs/federation.md", "fairwind enroll lyon --zone FR --kit"): "test_two_hosts plays it",
    ("docs/federation.md", "fairwind rotate lyon"): "test_two_hosts plays it",
    ("docs/federation.md", "chmod 600 lyon.kit"): "test_two_hosts plays it",
    ("docs/flower-apps.md", "pip install"): "installs; the tests have it",
    ("docs/data.md", "export FAIRWIND_DATA"): "the folder of data that not everybody has",
    ("docs/data.md", 'cd "$FAIRWIND_DATA"'): "the folder of data that not everybody has",
    ("docs/forecasts.md", "FAIRWIND_DATA="): "the folder of data that not everybody has",
    ("docker/README.md", "cd docker"): "needs a container engine",
    ("docker/README.md", "docker "): "needs a container engine",
}
"""Blocks that are not played here, by page and how their first command begins, and why."""


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
