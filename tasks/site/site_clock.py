"""A site's clock: how far it is ahead of Redis's, as the worker measures it with each heartbeat."""

from __future__ import annotations

from pydantic import ValidationError

from common.clock_difference import TO_SET_IT_RIGHT, difference_to_note, show_difference
from common.files import replace_synced
from common.log import get_logger
from common.message import Message
from tasks.site.site_files import SiteFiles

_log = get_logger(__name__)


class _Noted(Message):
    ahead_s: float


class SiteClock:
    """What is known of the clock; kept in a file for the worker's child and for commands."""

    def __init__(self, files: SiteFiles) -> None:
        self._files = files

    @property
    def ahead_s(self) -> float:
        """How far this machine's clock is ahead, s; 0 if it is right, or that is unknown."""
        try:
            return _Noted.model_validate_json(self._files.clock.read_bytes()).ahead_s
        except (OSError, ValidationError):
            return 0.0

    def note(self, found_s: float) -> None:
        """Keep and log a difference that was just measured, if it is another than is known."""
        ahead_s = difference_to_note(self.ahead_s, found_s)
        if ahead_s is None:
            return
        if ahead_s:
            _log.warning("clock.differs", sentence=clock_sentence(ahead_s))
        else:
            _log.info("clock.agrees", sentence="The clock of this machine is right again.")
        try:
            partial = self._files.clock.with_suffix(".part")
            partial.write_text(_Noted(ahead_s=ahead_s).model_dump_json())
            replace_synced(partial, self._files.clock)
        except OSError as error:
            _log.warning("clock.not_noted", reason=str(error))


def clock_sentence(ahead_s: float) -> str:
    """Return what is wrong with a site's clock, what follows and what to do."""
    return (
        f"The clock of this machine is {show_difference(ahead_s)}, compared with that of Redis, so "
        f"the site's own hours and days begin at the wrong time. Set it right: {TO_SET_IT_RIGHT}"
    )
