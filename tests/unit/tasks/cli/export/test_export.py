"""`run export` writes a run's figures for other tools, and says in one line what it cannot do."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.cli import fairwind
from tasks.cli.export import mlflow_run
from tests.unit.scheduler.export.exported import played
from tests.unit.tasks.cli.ledger_home import home_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with home_of(tmp_path_factory.mktemp("export"), played()) as folder:
        yield folder


def export(*words: str) -> str:
    done = CliRunner().invoke(fairwind, ["run", "export", "r", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    done = CliRunner().invoke(fairwind, ["run", "export", "r", *words])
    assert done.exit_code == 1, done.output
    assert len(done.output.splitlines()) == 1
    return done.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_csv_has_rounds_sites_parameters_and_emissions(tmp_path: Path, follow: tuple[str, ...]):
    said = export("--csv", str(tmp_path / "new" / "folder"), *follow)
    folder = tmp_path / "new" / "folder"
    assert said == (
        f"Exported r to {folder}: rounds.csv (3 rows), sites.csv (6 rows), parameters.csv "
        f"({len(rows(folder / 'parameters.csv'))} rows), emissions.csv (4 rows)\n"
    )
    rounds = rows(folder / "rounds.csv")
    assert [row["accuracy"] for row in rounds] == ["", "0.1", "0.2"]
    assert float(rounds[-1]["cumulative_gco2eq"]) == pytest.approx(0.8)
    unknown = [row["accuracy"] for row in rows(folder / "sites.csv") if row["client"] == "oslo"]
    assert unknown == ["", "", ""]
    emissions = rows(folder / "emissions.csv")
    assert sum(float(row["emissions"]) for row in emissions) == pytest.approx(0.8e-3)
    assert sorted(path.name for path in folder.iterdir()) == [
        "emissions.csv", "parameters.csv", "rounds.csv", "sites.csv",
    ]  # fmt: skip


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("package", ["mlflow", "tensorboard"])
def test_without_its_package_one_line_says_what_to_install(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, package, None)
    text = refused(f"--{package}", str(tmp_path / "to"))
    assert "is not installed, so nothing was exported." in text
    assert f"in the folder of Fairwind's source: pip install '.[{package}]'" in text


@pytest.mark.usefixtures("home")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert "--csv" in refused("--csv", str(tmp_path / "file" / "in"))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("file", ["missing/mlflow.db", "here", "file/mlflow.db"])
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_an_sqlite_file_of_mlflow_that_cannot_be_written_is_one_line_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, form: str
):
    monkeypatch.setattr(mlflow_run, "require_extra", lambda *_, **__: None)
    (tmp_path / "here").mkdir()
    (tmp_path / "file").write_text("")
    said = refused("--mlflow", form.format(tmp_path / file))
    assert "cannot be written" in said
    assert "Nothing was exported" in said


@pytest.mark.usefixtures("home")
def test_follow_without_a_place_is_refused():
    assert "Add --csv, --mlflow or --tensorboard." in refused("--follow")


@pytest.mark.usefixtures("home")
def test_tensorboard_has_the_curves_once_however_often_it_is_exported(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415 - an extra

    for _ in range(2):
        export("--tensorboard", str(tmp_path))
    read = event_accumulator.EventAccumulator(str(tmp_path / "r"))
    read.Reload()
    assert {p.step: p.value for p in read.Scalars("accuracy")} == pytest.approx({1: 0.1, 2: 0.2})
    assert [p.step for p in read.Scalars("site/lyon/accuracy")] == [0, 1, 2]
    assert "_hparams_/session_start_info" in read.Tags()["tensors"]


@pytest.mark.usefixtures("home")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy and others
def test_mlflow_has_parameters_and_curves_once_however_often_it_is_exported(tmp_path: Path):
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    from mlflow import MlflowClient  # noqa: PLC0415 - an extra

    file = tmp_path / "mlflow.db"
    for _ in range(2):
        export("--mlflow", str(file))
    client = MlflowClient(tracking_uri=f"sqlite:///{file}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    (made,) = client.search_runs([experiment.experiment_id])
    assert (made.info.run_name, made.info.status) == ("r", "FINISHED")
    assert made.data.params["hyperparameters.epochs"] == "1"
    assert made.data.tags["fairwind.end"] == "rounds"
    history = client.get_metric_history(made.info.run_id, "accuracy")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.1), (2, 0.2)]
    grams = client.get_metric_history(made.info.run_id, "emissions/cumulative_gco2eq")
    assert [metric.value for metric in grams] == pytest.approx([0.4, 0.8])
