"""Figures of a run as a run of MLflow, which the extra `mlflow` writes."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import ExportError, describe
from scheduler.export.followed import Followed
from scheduler.export.parameters import parameters
from scheduler.export.point import Point
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from tasks.cli.export.extra import require_extra

_MOST_METRICS, _MOST_PARAMETERS = 1000, 100
"""What one request may hold, by MLflow 3's REST API, "Log Batch"."""

_SQLITE = "sqlite:///"

_NOT_ALLOWED = re.compile(r"[^\w .:/-]")
"""Characters that MLflow has in no name of a metric or parameter."""


class MlflowRun:
    """Logs points as they come; a run that an export before made of the same run goes on.

    The experiment is named after the workload. Nothing is sent anywhere but to the store.

    Args:
        store: Its address, e.g. ``http://localhost:5000``, or the path of an SQLite file.

    Raises:
        ExportError: If MLflow is not installed, or the SQLite file cannot be written.
    """

    def __init__(self, store: str) -> None:
        # MLflow would report its use to its makers.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        require_extra("mlflow", name="MLflow")
        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._address = store if "://" in store else f"sqlite:///{Path(store).resolve()}"
        _check_file(self._address)
        self._client: Any = None
        self._id = ""
        self._logged: set[tuple[str, int]] = set()
        self._read = 0

    def write(self, followed: Followed, state: Federation, run: Run) -> None:  # noqa: ARG002 - the protocol's
        """Log the points that are new, and the end of the run once it is over."""
        try:
            if self._client is None:
                self._open(run, {_allowed(point.name) for point in followed.points})
            self._log(followed.points[self._read :])
            self._read = len(followed.points)
            if followed.ended and run.ended_at is not None:
                status = "KILLED" if run.end_reason == "stopped" else "FINISHED"
                self._client.set_tag(self._id, "fairwind.end", run.end_reason)
                self._client.set_terminated(self._id, status, end_time=_ms(run.ended_at))
        except Exception as error:  # whatever the store or its driver raises
            msg = (
                f"The figures of {run.id} could not be written to MLflow at {self._address} "
                f"({describe(error)}). Correct the address or start the server, then export again: "
                "what is missing there is added."
            )
            raise ExportError(msg) from error

    def _open(self, run: Run, names: set[str]) -> None:
        """Find the MLflow run of an export before, or make one with the run's parameters."""
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra

        client = MlflowClient(tracking_uri=self._address)
        known = client.get_experiment_by_name(run.spec.workload)
        experiment = known.experiment_id if known else client.create_experiment(run.spec.workload)
        tags = {"fairwind.run": run.id, "fairwind.started": run.started_at.isoformat()}
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found = client.search_runs([experiment], wanted, max_results=1)
        if found:
            self._id = found[0].info.run_id
            for name in names:
                history = client.get_metric_history(self._id, name)
                self._logged |= {(name, metric.step) for metric in history}
        else:
            made = client.create_run(
                experiment, run_name=run.id, start_time=_ms(run.started_at), tags=tags
            )
            self._id = made.info.run_id
            _log_parameters(client, self._id, run)
        self._client = client

    def _log(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - an extra

        metrics = []
        for point in points:
            key = _allowed(point.name), point.step
            if key not in self._logged:
                self._logged.add(key)
                metrics.append(Metric(key[0], point.value, _ms(point.at), point.step))
        for n in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._id, metrics=metrics[n : n + _MOST_METRICS])

    def close(self) -> None:
        """Do nothing: MLflow keeps no connection that has to be closed."""

    def describe(self) -> str:
        """Return the store with the number of points in it."""
        return f"MLflow at {self._address}: {len(self._logged)} points of run {self._id}"


def _check_file(address: str) -> None:
    """Check that an SQLite file can be written: MLflow would try it again and again.

    Raises:
        ExportError: If it cannot.
    """
    if not address.startswith(_SQLITE):
        return
    path = Path(address.removeprefix(_SQLITE)).absolute()
    place = path if path.exists() else path.parent
    if path.is_dir():
        fault = "it is a folder"
    elif not path.parent.is_dir():
        fault = f"there is no folder {path.parent}"
    elif not os.access(place, os.W_OK) or not os.access(path.parent, os.W_OK):
        fault = f"{place} may not be written by this user"
    else:
        return
    msg = (
        f"MLflow's SQLite file {path} cannot be written: {fault}. Nothing was exported. Give "
        "--mlflow a file in a folder that you may write, or the address of a server."
    )
    raise ExportError(msg)


def _log_parameters(client: Any, run_id: str, run: Run) -> None:
    from mlflow.entities import Param  # noqa: PLC0415 - an extra

    given = [Param(_allowed(name), str(x)) for name, x in parameters(run.spec).items()]
    for n in range(0, len(given), _MOST_PARAMETERS):
        client.log_batch(run_id, params=given[n : n + _MOST_PARAMETERS])


def _allowed(name: str) -> str:
    return _NOT_ALLOWED.sub("_", name)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
