"""What `fairwind up` remembers of a folder, so that the next one there goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import SettingError
from common.files import replace_synced
from tasks.local.ports import PAGE_PORT
from tasks.roles import UP_FILE


class Remembered(BaseModel):
    """What was started in a folder. The ledger knows the rest: zones, runs, rounds.

    Attributes:
        sites: Clients whose workers run here.
        workloads: Workloads that may be loaded beside those of FAIRWIND_WORKLOADS.
        redis_port: Where its own Redis server listens; 0 if there was none yet.
        page_port: Where Flower listens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sites: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    redis_port: int = 0
    page_port: int = PAGE_PORT

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return what is remembered of a folder: nothing if it is new.

        Raises:
            SettingError: If its file cannot be read.
        """
        path = folder / UP_FILE
        try:
            return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()
        except (ValidationError, OSError) as error:
            msg = (
                f"{path} cannot be read ({str(error).splitlines()[0]}), so nothing was started. "
                "Delete it, and name the sites again with --sites."
            )
            raise SettingError(msg) from None

    def save(self, folder: Path) -> None:
        """Write it into the folder."""
        partial = folder / f"{UP_FILE}.partial"
        partial.write_text(self.model_dump_json(indent=2), encoding="utf-8")
        replace_synced(partial, folder / UP_FILE)
