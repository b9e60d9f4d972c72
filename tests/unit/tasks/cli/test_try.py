"""A trial does in one process what a round does in many, and ends with the line of the fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from common import settings
from tasks.cli import fairwind

WORKLOAD = """
import random, torch
from torch.utils.data import TensorDataset

def model():
    return torch.nn.Linear(4, 2)

def train_data(client_id):
    torch.manual_seed(1)
    x = torch.randn(100, 4)
    return TensorDataset(x, (x[:, 0] > 0).long())

def test_data():
    return train_data("coordinator")

loss = torch.nn.functional.cross_entropy

def metrics(logits, targets):
    return {"accuracy": (logits.argmax(1) == targets).float().mean().item()}
"""

OWN_LOOP = """
def train(model, data, context):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for x, y in torch.utils.data.DataLoader(data, 25):
        optimizer.zero_grad()
        found = loss(model(x), y)
        found.backward()
        optimizer.step()
    return {"loss": found.item()}
"""

NOISE = """
def model():
    return torch.nn.Sequential(torch.nn.Linear(4, 2), Noise())

class Noise(torch.nn.Module):
    def forward(self, x):
        return x * (1 + random.SystemRandom().random())
"""

Try = Callable[..., Result]


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Return what tries the workload above, with code of a test's own at its end."""

    def run(*words: str, more: str = "") -> Result:
        name = f"tried_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(WORKLOAD + more)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("FAIRWIND_WORKLOADS", name)
        monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("FAIRWIND_PARTITION", "lyon")
        settings.load.cache_clear()
        sys.modules.pop(name, None)
        return CliRunner().invoke(fairwind, ["try", name, "--client", "lyon", *words])

    return run


def test_each_part_of_a_round_has_its_line_and_nothing_is_kept(tried: Try, tmp_path: Path) -> None:
    result = tried("--epochs", "3", "--batch-size", "10")
    assert result.exit_code == 0, result.output
    assert [line for line in result.output.splitlines() if line.startswith("error")] == []
    assert len([line for line in result.output.splitlines() if line.startswith("ok ")]) == 7
    said = result.output
    assert "10 values, 10 of them travel" in said
    assert "100 examples of lyon" in said
    assert "a second training gave the same bits" in said
    assert "at the coordinator" in said
    assert "30 steps, " in said  # 100 examples in tens, three times
    assert said.splitlines()[-1].startswith("Next: fairwind run start tried_")
    assert not (tmp_path / "home").exists()


def test_a_program_reads_the_same_parts(tried: Try) -> None:
    result = tried("--json", "--steps", "2")
    parts: list[dict[str, Any]] = json.loads(result.stdout[result.stdout.index("[\n") :])
    assert [part["name"] for part in parts] == [
        "model", "data", "one step", "again", "update", "evaluation", "a round",
    ]  # fmt: skip


def test_scaffold_pulls_twice_as_much_from_its_second_round_on(tried: Try) -> None:
    said = tried("--algorithm", "scaffold", "--steps", "2").output
    assert " down (twice that from round 2 on), " in said


def test_a_loop_of_the_users_own_is_tried_too(tried: Try) -> None:
    result = tried(more=OWN_LOOP)
    assert result.exit_code == 0, result.output
    assert "one call of its own loop" in result.output


def test_a_flower_app_is_found_by_the_folder_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flwr", reason="flwr is not installed: pip install -e '.[flwr]'")
    folder = Path(__file__).parents[4] / "examples" / "flower" / "digits_app"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRWIND_PARTITION", "lyon")
    monkeypatch.setenv("FAIRWIND_WORKLOADS", f"flower:{folder}")
    settings.load.cache_clear()
    words = ("--client", "lyon", "--metric", "eval_acc")
    allowed = CliRunner().invoke(fairwind, ["try", "flower:digits_app", *words])
    assert allowed.exit_code == 0, allowed.output
    assert "not allowed" not in allowed.output
    monkeypatch.setenv("FAIRWIND_WORKLOADS", "digits")
    settings.load.cache_clear()
    by_path = CliRunner().invoke(fairwind, ["try", f"flower:{folder}", *words])
    assert by_path.exit_code == 0, by_path.output
    assert f"'flower:{folder}' is not allowed here" in by_path.output


def test_sites_are_asked_where_nobody_else_evaluates(tried: Try) -> None:
    more = """
def test_data(): return None
def held_out_data(client_id): return train_data(client_id)
"""
    assert "on 100 held-out examples of lyon" in tried(more=more).output


@pytest.mark.parametrize(
    ("more", "words", "says"),
    [
        ("def model(): raise RuntimeError('no weights here')", (), "no weights here"),
        ("def train_data(client_id): return []", (), "at least one example"),
        ("def loss(logits, targets): return logits.sum() * float('nan')", (), "loss is nan after"),
        (NOISE, (), "A second training of the same assignment gave another 0."),
        ("", ("--learning-rate", "1e30"), "above 1000"),
        ("def test_data(): return None", (), "Nobody could score a version"),
        ("", ("--metric", "acc"), "reports no metric 'acc'"),
        ("", ("--stop-when", "accuracy<=0.1"), "Did you mean --stop-when 'accuracy>=0.1'?"),
        ("", ("--option", "width=3"), "no function with a parameter named options"),
        ("def metrics(logits, targets): raise ValueError('one class')", (), "one class"),
        ("", ("--init-from", "earlier"), "Leave out --init-from"),
        ("", ("--batch-size", "0"), "--batch-size does not fit"),
    ],
)
def test_what_would_fail_ends_the_trial_with_one_line(
    tried: Try, more: str, words: tuple[str, ...], says: str
) -> None:
    result = tried(*words, more=more)
    assert result.exit_code == 1, result.output
    assert says in result.output
    assert "Traceback" not in result.output
    assert "Next:" not in result.output


def test_a_workload_that_a_worker_here_would_refuse_gets_a_warning(
    tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = tried().output.splitlines()[0].split()[1]
    monkeypatch.setenv("FAIRWIND_WORKLOADS", "digits")
    settings.load.cache_clear()
    result = CliRunner().invoke(fairwind, ["try", name, "--client", "lyon"])
    assert result.exit_code == 0
    assert "Add it to FAIRWIND_WORKLOADS" in result.output


def test_an_own_loop_that_reports_nothing_is_no_fault(tried: Try) -> None:
    result = tried(more=OWN_LOOP.replace('return {"loss": found.item()}', "return None"))
    assert result.exit_code == 0
    assert "ok      one step    its own loop reported no loss, in " in result.output
