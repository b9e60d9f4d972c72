"""A fake runs as a process of its own, and takes orders over HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["electricity_maps", "watttime", "neso"])
def test_a_fake_in_another_process_misbehaves_on_demand(name: str) -> None:
    command = [sys.executable, "-m", f"tests.fakes.{name}", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            with httpx.Client(base_url=url, trust_env=False) as client:
                client.post("/_fake/misbehave", json={"how": "429", "value": "7", "times": 1})
                answer = client.get("/zones")
                assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
                assert client.get("/_fake/counts").json()["counts"] == {"/zones": 1}
        finally:
            process.kill()
