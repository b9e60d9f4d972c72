"""Figures of a run as an event file of TensorBoard, which the extra `tensorboard` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import ExportError
from scheduler.export.followed import Followed
from scheduler.export.parameters import parameters
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from tasks.cli.export.extra import require_extra

_SUFFIX = ".fairwind"
"""Ends the names of our event files: those are replaced, others in the folder stay."""


class TensorBoardLog:
    """Writes points as they come; what an export before wrote of the run is replaced.

    Args:
        folder: TensorBoard's ``--logdir``; the run has a folder of its own in it.

    Raises:
        ExportError: If TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require_extra("tensorboard", name="TensorBoard")
        self._folder = folder
        self._writer: Any = None
        self._written = 0

    def write(self, followed: Followed, state: Federation, run: Run) -> None:  # noqa: ARG002 - the protocol's
        """Append the points that are new."""
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415 - (the same)

        try:
            if self._writer is None:
                self._open(run)
            for point in followed.points[self._written :]:
                value = Summary.Value(tag=point.name, simple_value=point.value)
                self._writer.add_event(
                    Event(
                        step=point.step, wall_time=point.at.timestamp(),
                        summary=Summary(value=[value]),
                    )
                )  # fmt: skip
            self._writer.flush()
        except OSError as error:
            msg = (
                f"The figures of {run.id} could not be written to {self._folder} "
                f"({error.strerror}). Name a folder that you may write, with --tensorboard."
            )
            raise ExportError(msg) from error
        self._written = len(followed.points)

    def _open(self, run: Run) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
        from tensorboard.plugins.hparams import summary_v2  # noqa: PLC0415 - (the same)
        from tensorboard.summary.writer.event_file_writer import (  # noqa: PLC0415 - (the same)
            EventFileWriter,
        )

        folder = self._folder / run.id
        for earlier in folder.glob(f"events.out.tfevents.*{_SUFFIX}"):
            earlier.unlink()
        self._writer = EventFileWriter(str(folder), filename_suffix=_SUFFIX)
        at_s = run.started_at.timestamp()
        given = summary_v2.hparams_pb(parameters(run.spec), start_time_secs=at_s)
        self._writer.add_event(Event(step=0, wall_time=at_s, summary=given))

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def describe(self) -> str:
        """Return the folder with the number of points."""
        return f"{self._folder}: {self._written} points; see them: tensorboard --logdir"
