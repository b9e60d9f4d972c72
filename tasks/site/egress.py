"""What the last update was that left a site: proof for its administrator that no data did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.clock import wall_now
from common.errors import FederationError
from common.files import file_sha256
from common.messages import Receipt
from common.settings import Settings
from tasks.site.entry import Sent
from tasks.site.journal import Journal
from tasks.site.outbox import Outbox
from tasks.site.site_files import SiteFiles
from tasks.site.tensor_header import Tensor, read_header


@dataclass(frozen=True)
class Egress:
    """The last update: the file, its tensors, and the message that went beside it.

    Attributes:
        path: The file, which stays until the next update replaces it.
        sha256: Of the file as it is now.
        header_nbytes: What the file holds beside the tensors: their names and shapes.
        sent_at: When it was last sent, by the journal; `None` if it has not been sent.
        receipt: The message, with every field that it has.
    """

    path: Path
    nbytes: int
    sha256: str
    header_nbytes: int
    tensors: tuple[Tensor, ...]
    sent_at: datetime | None
    receipt: Receipt

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return asdict(self) | {
            "path": str(self.path),
            "receipt": self.receipt.model_dump(mode="json"),
        }


def last_egress(settings: Settings, client: str) -> Egress:
    """Return what the last update was.

    Raises:
        FederationError: If the site keeps none.
    """
    outbox = Outbox(settings.folder / "outbox" / client)
    answer = outbox.last()
    if answer is None or not outbox.update.exists():
        msg = (
            f"{client} keeps no update, so there is nothing to show: it has sent none yet, or "
            "trains now. `fairwind site history` lists what it did."
        )
        raise FederationError(msg)
    header_nbytes, tensors = read_header(outbox.update)
    sha256 = file_sha256(outbox.update)
    entries = Journal(SiteFiles(settings, client).folder).read(
        since=min(answer.receipt.ended_at, wall_now())
    )
    sent = [entry.at for entry in entries if isinstance(entry, Sent) and entry.sha256 == sha256]
    return Egress(
        path=outbox.update, nbytes=outbox.update.stat().st_size, sha256=sha256,
        header_nbytes=header_nbytes, tensors=tensors, sent_at=sent[-1] if sent else None,
        receipt=answer.receipt,
    )  # fmt: skip
