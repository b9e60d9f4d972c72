"""Files of others in this repository are those that were published, and the bill names them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMPONENTS = sorted((REPOSITORY / "tasks").rglob("component.json"))


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.parent.name)
def test_every_file_of_others_is_as_it_was_published(component: Path) -> None:
    files = {
        each["name"]: each["hashes"][0]["content"]
        for each in json.loads(component.read_text())["components"]
    }
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in component.parent.iterdir()
        if path != component
    }
    assert found == files


def test_the_bill_of_materials_names_what_lies_in_the_repository(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    bill.write_text(json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "celery"}]}))
    command = [sys.executable, "docker/add_vendored.py", str(bill)]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    names = [each["name"] for each in json.loads(bill.read_text())["components"]]
    assert names == ["celery", "uplot"]
