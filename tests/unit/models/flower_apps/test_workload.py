"""Flower apps as workloads: what they are sent, what is taken of their replies, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("flwr", reason="flwr is not installed: pip install -e '.[flwr]'")

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.configured import configured
from models.local_part import LocalPart
from models.local_result import LocalResult
from models.memory import Memory
from models.own_loop import brings
from models.training import Trainer
from models.version import initial_version
from models.workload import Workload, load_workload
from tests.unit.models.flower_apps.conftest import CLIENT

WriteApp = Callable[..., Path]

EXAMPLE = Path(__file__).parents[4] / "examples" / "flower" / "digits_app"

LEGACY_SERVER = """
import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg, FedProx

def server_fn(context):
    first = ndarrays_to_parameters([np.zeros(2, dtype=np.float32), np.ones((1, 2))])
    config = lambda number: {"lr": context.run_config["rate"] / number}
    strategy = FedAvg(initial_parameters=first, on_fit_config_fn=config)
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=3))

app = ServerApp(server_fn=server_fn)
"""

LEGACY_CLIENT = """
from flwr.client import ClientApp, NumPyClient

class Client(NumPyClient):
    def __init__(self, place):
        self.place = place

    def fit(self, parameters, config):
        first, second = parameters
        return [first + config["lr"], second - self.place], 7, {"loss": 0.5}

    def evaluate(self, parameters, config):
        return float(parameters[0].sum()), 3, {"accuracy": 0.75}

def client_fn(context):
    return Client(context.node_config["partition-id"]).to_client()

app = ClientApp(client_fn=client_fn)
"""


def load(folder: Path, **options: Any) -> Workload:
    workload = load_workload(f"flower:{folder.name}", allowed=(f"flower:{folder}",))
    return configured(workload, options)


def trained(
    workload: Workload, memory: Memory | None = None, *, number: int = 1, **options: Any
) -> LocalResult:
    part = LocalPart("r", number, "lyon", partition=2, num_partitions=5, options=options)
    return Trainer(workload, "lyon").train(
        initial_version(workload, 1), hyperparameters=Hyperparameters(), seed=3, part=part,
        memory=memory, scores=True,
    )  # fmt: skip


def test_app_is_sent_round_config_run_config_and_partition(write_app: WriteApp) -> None:
    options: dict[str, Any] = {"rate": 1, "local_epochs": 3}
    result = trained(load(write_app(), **options), number=4, **options)
    # 1st training * rate 1 * 3 epochs; partition 2 + 10 * 5 partitions + 100 * round 4
    assert result.delta["layer.weight"].tolist() == pytest.approx([3.0, 452.0], rel=1e-5)
    assert list(result.delta) == ["layer.weight"]  # integers stay the base's
    assert (result.num_examples, result.num_steps, result.loss) == (7, None, 0.25)


def test_example_is_a_short_app_that_learns() -> None:
    code = [path.read_text() for path in (EXAMPLE / EXAMPLE.name).glob("*.py")]
    assert sum(bool(line.strip()) for text in code for line in text.splitlines()) <= 60
    options: dict[str, Any] = {"local-epochs": 5}
    result = trained(load(EXAMPLE, **options), **options)
    assert result.num_examples == 288  # four fifths of every fifth of 1,797 images, of 359
    assert result.loss < 2.3  # ln 10, of a guess


def test_first_model_follows_the_seed_of_the_run(write_app: WriteApp) -> None:
    workload = load(write_app())
    first, again, other = (initial_version(workload, seed) for seed in (1, 1, 2))
    assert first["layer.weight"].equal(again["layer.weight"])
    assert not first["layer.weight"].equal(other["layer.weight"])
    assert first["layer.count"].item() == 3


def test_state_of_the_context_goes_on_and_an_evaluation_sees_it(write_app: WriteApp) -> None:
    workload = load(write_app())
    first = trained(workload)
    second = trained(workload, first.memory)
    moved = [result.delta["layer.weight"][0].item() for result in (first, second)]
    assert moved == pytest.approx([0.5, 1.0])  # times 1 and 2, at rate 0.5
    assert (first.metrics, second.metrics) == ({"times": 0.0}, {"times": 1.0})
    assert second.num_held_out == 3
    assert trained(workload, first.memory).memory.keys() == first.memory.keys()
    assert all(
        tensor.equal(trained(workload, first.memory).memory[name])
        for name, tensor in second.memory.items()
    )


def test_fedprox_sends_its_mu(write_app: WriteApp) -> None:
    client = """
        from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
        from flwr.clientapp import ClientApp

        app = ClientApp()

        @app.train()
        def train(msg, context):
            arrays = msg.content["arrays"].to_torch_state_dict()
            arrays["layer.weight"] += msg.content["config"]["proximal-mu"]
            figures = MetricRecord({"num-examples": 1})
            content = RecordDict({"arrays": ArrayRecord(arrays), "m": figures})
            return Message(content, reply_to=msg)
    """
    folder = write_app(client=client, strategy="FedProx(proximal_mu=0.125)")
    result = trained(load(folder))
    assert result.delta["layer.weight"].tolist() == pytest.approx([0.125, 0.125])
    assert (result.metrics, result.num_held_out) == ({}, 0)  # it has no evaluation


def test_legacy_client_trains_on_arrays_in_order(write_app: WriteApp) -> None:
    workload = load(write_app(LEGACY_SERVER, LEGACY_CLIENT))
    result = trained(workload, number=2)
    assert result.delta["0"].tolist() == [0.25, 0.25]  # rate 0.5 in round 2
    assert result.delta["1"].tolist() == [[-2.0, -2.0]]  # partition 2
    assert result.delta["1"].dtype == torch.float64
    assert (result.num_examples, result.loss) == (7, 0.5)
    assert (result.metrics, result.num_held_out) == ({"loss": 0.0, "accuracy": 0.75}, 3)


def test_legacy_client_without_evaluation_is_not_scored(write_app: WriteApp) -> None:
    client = LEGACY_CLIENT.replace("def evaluate(", "def no_evaluation(")
    result = trained(load(write_app(LEGACY_SERVER, client)))
    assert (result.metrics, result.num_held_out) == ({}, 0)


def test_model_of_the_project_takes_the_place_of_the_server_app(write_app: WriteApp) -> None:
    server = """
        from torch import nn

        def net():
            return nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    """
    folder = write_app(server)
    with (folder / "pyproject.toml").open("a") as file:
        file.write(f'[tool.fairwind]\nmodel = "{folder.name}.server_app:net"\n')
    workload = load(folder)
    trainable = {name for name, _ in workload.model().named_parameters()}
    assert trainable == {"0.weight", "0.bias", "1.weight", "1.bias"}  # and no statistics
    assert "1.running_mean" in initial_version(workload, 1)


def test_simulated_clients_train_as_sites_do(write_app: WriteApp) -> None:
    workload = load(write_app())
    data = {client: workload.train_data(client) for client in ("lyon", "oslo")}
    works = [
        ClientWork(
            client, 3, 1, LocalPart("r", 1, client, partition=place, num_partitions=5)
        )
        for client, place in (("lyon", 2), ("oslo", 4))
    ]  # fmt: skip
    base = initial_version(workload, 1)
    updates = Cohort(workload, data).train(base, works, hyperparameters=Hyperparameters())
    assert updates.deltas["layer.weight"][:, 1].tolist() == pytest.approx([152.0, 154.0], rel=1e-5)
    assert updates.deltas["layer.weight"][0].equal(trained(workload).delta["layer.weight"])
    assert brings(workload) == {"own loop"}


OWN_ROUNDS = """
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid, context):
        REST
"""


@pytest.mark.parametrize(
    ("server", "strategy", "named"),
    [
        (None, "FedAdam()", r"uses the strategy FedAdam, .* with --server-optimizer fedadam\.$"),
        (None, "Krum()", r"uses the strategy Krum, which Fairwind does not run"),
        (None, "FedAvg.__class__('Mine', (strategy.FedAvg,), {})()", r"the strategy Mine, which"),
        (OWN_ROUNDS.replace("REST", "grid.get_node_ids()"), "", r"uses grid\.get_node_ids: it"),
        (OWN_ROUNDS.replace("REST", "pass"), "", r"does not start a strategy: it"),
        (LEGACY_SERVER.replace("FedAvg(init", "FedProx(proximal_mu=1, init"), "", None),
        (LEGACY_SERVER.replace("initial_parameters=first, ", ""), "", r"no initial_parameters"),
        (LEGACY_SERVER.replace("FedAvg(", "type('Own', (FedAvg,), {})("), "", r"strategy Own"),
    ],
)  # fmt: skip
def test_what_fairwind_does_not_run_is_one_line(
    write_app: WriteApp, server: str | None, strategy: str, named: str | None
) -> None:
    folder = write_app(strategy=strategy) if server is None else write_app(server)
    workload = load(folder)
    if named is None:
        initial_version(workload, 1)
        return
    with pytest.raises(WorkloadError, match=named) as raised:
        initial_version(workload, 1)
    assert "\n" not in str(raised.value)


def test_mod_that_needs_a_strategy_for_privacy_is_refused(write_app: WriteApp) -> None:
    client = """
        from flwr.clientapp import ClientApp
        from flwr.clientapp.mod import fixedclipping_mod

        app = ClientApp(mods=[fixedclipping_mod])
    """
    with pytest.raises(WorkloadError, match="uses fixedclipping_mod, which needs a strategy"):
        load(write_app(client=client))


def test_mods_that_need_no_server_run_inside_the_app(write_app: WriteApp) -> None:
    mod = """
def doubled(message, context, call_next):
    reply = call_next(message, context)
    reply.content["m"]["num-examples"] *= 2
    return reply

app = ClientApp(mods=[doubled])
"""
    assert (
        trained(load(write_app(client=CLIENT.replace("\napp = ClientApp()\n", mod)))).num_examples
        == 14
    )


def test_option_that_the_app_does_not_have_is_refused(write_app: WriteApp) -> None:
    with pytest.raises(WorkloadError, match=r"has no lr .* It has rate, local-epochs, data\.kind"):
        initial_version(load(write_app(), lr=0.1), 1)


def test_reply_without_examples_is_one_line(write_app: WriteApp) -> None:
    client = CLIENT.replace('"train_loss": 0.25, "num-examples": 7', '"train_loss": 0.25')
    with pytest.raises(WorkloadError, match="replied to train without num-examples"):
        trained(load(write_app(client=client)))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot be read"),
        ("[tool.flwr]", "names no Flower app"),
        ("[", "cannot be read"),
    ],
)
def test_folder_without_an_app_is_one_line(tmp_path: Path, text: str | None, named: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(WorkloadError, match=named):
        load(tmp_path)


def test_app_that_cannot_be_imported_is_one_line(write_app: WriteApp) -> None:
    with pytest.raises(WorkloadError, match=r"Importing the Flower app .* raised .*no_such_module"):
        load(write_app(client="import no_such_module"))
