"""The messages of this process's site: what it takes, and how it signs its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from common.envelope import About, Signer, is_envelope
from common.log import get_logger
from common.messages import Address, Receipt
from common.settings import Settings
from tasks.messaging.inbox import Inbox, Taken, site_inbox, site_signer
from tasks.messaging.refusals import Refusal
from tasks.site.entry import Refused
from tasks.site.journal import open_journal

_log = get_logger(__name__)


@dataclass(frozen=True)
class Post:
    """One client's messages.

    Attributes:
        inbox: Takes what the coordinator signed.
        signer: Signs receipts and heartbeats; `None` where no coordinator's key is set.
    """

    client: str
    inbox: Inbox
    signer: Signer | None


_open: dict[str, Post] = {}


def open_post(settings: Settings, client: str) -> Post:
    """Return the messages of a client's site, which this process is from now on.

    Raises:
        IdentityError: If the site's key cannot be used.
    """
    journal = open_journal(settings, client)

    def report(refusal: Refusal) -> None:
        try:
            journal.append(_refused(refusal), synced=False)
        except OSError as error:
            _log.warning("journal.not_written", kind="refused", reason=str(error))

    inbox = site_inbox(settings, client, report=report)
    _open[client] = Post(client, inbox, site_signer(settings, client))
    return _open[client]


def post() -> Post:
    """Return the messages of the one site that this process is."""
    (ours,) = _open.values()
    return ours


def _refused(refusal: Refusal) -> Refused:
    return Refused(
        at=refusal.last_at, task=refusal.task, issuer=refusal.issuer, code=refusal.code,
        text=refusal.text, times=refusal.times,
    )  # fmt: skip


def address_of(body: Any) -> Address:
    """Return what work a message is about that this site has taken, signed or not."""
    return Address.model_validate(json.loads(body["payload"]) if is_envelope(body) else body)


def work_of(request: Any) -> str | None:
    """Return what an assignment that Celery has received is about, as heartbeats name it.

    It is read from the message itself: what Flower is to show of it is not signed.

    Returns:
        `None` if it is no assignment, or none that can be read.
    """
    if request.name != "train" or not request.args:
        return None
    try:
        work = address_of(request.args[0])
    except (ValueError, TypeError, KeyError, RecursionError):  # pydantic's is a ValueError
        return None
    return f"{work.run}/{work.round}"


def about_answer(taken: Taken, receipt: Receipt) -> About:
    """Return what the envelope of a receipt says: which plan and model it answers.

    Args:
        taken: The assignment's message.
        receipt: The answer.
    """
    header = taken.header
    return About(
        run=receipt.run, round=receipt.round, attempt=receipt.attempt,
        plan_hash=header.plan_hash if header else "",
        model_hash=header.model_hash if header else "",
    )  # fmt: skip
