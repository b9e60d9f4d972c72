"""Add files of others in this repository to a CycloneDX bill of materials: sbom.json."""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import json
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def add_vendored(sbom: Path) -> None:
    """Add each ``component.json`` of the repository's packages to a bill of materials."""
    bill = json.loads(sbom.read_text(encoding="utf-8"))
    files = sorted((PROJECT / "tasks").rglob("component.json"))
    bill["components"] += [json.loads(file.read_text(encoding="utf-8")) for file in files]
    sbom.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    add_vendored(Path(sys.argv[1]))
