"""`fairwind advice` says what is known, what is missing, and who was perhaps meant."""

import json

import pytest
from click.testing import CliRunner

from tasks.cli import fairwind


@pytest.fixture(autouse=True)
def _enrolled(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    # No Redis is needed: nobody is there to be woken.
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    done = CliRunner().invoke(fairwind, ["enroll", "berlin", "--zone", "DE"])
    assert done.exit_code == 0, done.output


def test_a_client_without_experience_gets_its_hours_and_a_reason():
    done = CliRunner().invoke(fairwind, ["advice", "berlin"])
    assert done.exit_code == 0, done.output
    assert "Advice for berlin in DE" in done.output
    assert "Typical week: best" in done.output
    assert "it has no counted update in the last five weeks" in " ".join(done.output.split())


def test_figures_are_json_on_demand():
    done = CliRunner().invoke(fairwind, ["advice", "berlin", "--json"])
    body = json.loads(done.output)
    assert (body["client"], body["practice"], body["lines"]) == ("berlin", None, [])
    assert len(body["week"]["gco2eq_per_kwh"]) == 168


def test_an_unknown_client_is_one_line_with_the_nearest_name():
    done = CliRunner().invoke(fairwind, ["advice", "berlni"])
    assert done.exit_code == 1
    assert done.output.strip() == (
        "Error: No client 'berlni' is enrolled, so there is no advice for it. Did you mean berlin?"
    )
