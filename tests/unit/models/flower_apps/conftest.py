"""Flower apps that tests write, each a package of another name: Python imports each name once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

NUMBERS = itertools.count(1)

PROJECT = """
[project]
name = "app"
version = "1.0.0"

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "{package}.server_app:app"
clientapp = "{package}.client_app:app"

[tool.flwr.app.config]
rate = 0.5
local-epochs = 1

[tool.flwr.app.config.data]
kind = "plain"
"""

SERVER = """
import torch
from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp import strategy

app = ServerApp()

@app.main()
def main(grid, context):
    arrays = ArrayRecord({"layer.weight": torch.rand(2), "layer.count": torch.tensor(3)})
    config = ConfigRecord({"lr": context.run_config["rate"]})
    strategy.STRATEGY.start(grid=grid, initial_arrays=arrays, train_config=config)
"""

CLIENT = """
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()

@app.train()
def train(msg, context):
    arrays, config = msg.content["arrays"].to_torch_state_dict(), msg.content["config"]
    times = context.state["times"]["n"] + 1 if "times" in context.state else 1
    context.state["times"] = MetricRecord({"n": times})
    node = context.node_config
    arrays["layer.weight"] += torch.tensor([
        times * config["lr"] * context.run_config["local-epochs"],
        float(node["partition-id"] + 10 * node["num-partitions"] + 100 * config["server-round"]),
    ])
    figures = MetricRecord({"train_loss": 0.25, "num-examples": 7})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "m": figures}), reply_to=msg)

@app.evaluate()
def evaluate(msg, context):
    times = context.state["times"]["n"] if "times" in context.state else 0
    figures = MetricRecord({"times": times, "num-examples": 3})
    return Message(RecordDict({"m": figures}), reply_to=msg)
"""


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes an app to a folder and returns that."""

    def write(server: str = SERVER, client: str = CLIENT, *, strategy: str = "FedAvg()",
              more: str = "") -> Path:  # fmt: skip
        package = f"flower_app_of_a_test_{next(NUMBERS)}"
        folder = tmp_path / package
        (folder / package).mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PROJECT.format(package=package) + dedent(more))
        (folder / package / "__init__.py").touch()
        server = dedent(server).replace("STRATEGY", strategy)
        (folder / package / "server_app.py").write_text(server)
        (folder / package / "client_app.py").write_text(dedent(client))
        return folder

    return write
