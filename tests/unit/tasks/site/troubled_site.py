"""A site whose workloads bring trouble, and the assignments that a coordinator would send it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.clock import GridClock, wall_now
from common.files import file_sha256
from common.hyperparameters import Hyperparameters
from common.messages import Assignment, BlobRef, Receipt
from common.settings import Settings
from models.serialization import write_state
from models.version import initial_version
from models.workload import load_workload
from tasks.messaging.transport import FolderTransport, Transport
from tasks.site.entry import Answered
from tasks.site.executor import Executor
from tasks.site.journal import Journal
from tasks.site.site_files import SiteFiles

TROUBLES = "tests.fakes.troubled"
NOW = datetime(2026, 7, 8, 12, tzinfo=UTC)


class Site:
    """A site's executor, and the assignments that a coordinator would send it."""

    def __init__(self, folder: Path, transport: Transport | None = None, **settings: Any) -> None:
        self.folder = folder
        self.transport = transport or FolderTransport(folder / "wire", 600)
        self.settings = Settings(
            home=folder / "home", workloads=tuple(f"{TROUBLES}:{name}" for name in NAMES),
            meter="constant", constant_w=100.0, **settings,
        )  # fmt: skip
        self.executor = Executor("a", "first", self.settings, self.transport)

    def assignment(self, name: str = "fine", **changes: Any) -> Assignment:
        workload = f"{TROUBLES}:{name}"
        path = self.folder / "model"
        write_state(initial_version(load_workload(workload, allowed=(workload,)), 1), path)
        ref = BlobRef(key="model", sha256=file_sha256(path), nbytes=path.stat().st_size)
        FolderTransport(self.folder / "wire", 600).put("model", path, ref.sha256)
        fields: dict[str, Any] = {
            "run": "r", "round": 1, "client": "a", "attempt": 0, "workload": workload,
            "hyperparameters": Hyperparameters(), "seed": 7, "clock": GridClock(),
            "issued_at": NOW, "sent_at": NOW, "valid_until": wall_now() + timedelta(hours=1),
            "model": ref, "scores": True, "intensity_gco2eq_per_kwh": 100.0,
        }  # fmt: skip
        return Assignment(**(fields | changes))

    def answer(self, name: str = "fine", **changes: Any) -> Receipt:
        return self.executor.answer(self.assignment(name, **changes), lambda *_: None)

    def noted(self) -> list[Answered]:
        """Return the answers in the journal."""
        entries = Journal(SiteFiles(self.settings, "a").folder).read(since=NOW)
        return [entry for entry in entries if isinstance(entry, Answered)]


NAMES = (
    "fine", "exits", "interrupted", "out_of_memory", "odd_error", "surrogates", "recursive",
    "too_many", "many", "long_name", "unprintable", "no_figure", "nothing", "a_list", "scalars",
    "hungry", "greedy", "sixty",
)  # fmt: skip
