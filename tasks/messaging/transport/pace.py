"""The pace of a transfer: how many pieces go at once, and how long a cut is waited out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from common.log import get_logger
from tasks.messaging.broker import REDIS_IS_AWAY

_log = get_logger(__name__)

T = TypeVar("T")

MOST_PIECES = 32
"""Pieces that go at once on a fast link: 4 MB, large enough to be fast, small enough for memory."""

_AT_ONCE_S = 3.0
"""What goes at once takes about this long: a cut costs no more, a round trip hardly counts."""

_GROWTH = 4
"""At most so many times more pieces than before: the first ones only fill a link's buffers."""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Pace:
    """How many pieces go at once, from how long the last ones took."""

    def __init__(self) -> None:
        self.pieces = 1

    def learn(self, pieces: int, took_s: float) -> None:
        """Adapt to the link: so many pieces took so many seconds.

        >>> pace = Pace()
        >>> pace.learn(1, 0.001)  # a fast link
        >>> pace.pieces
        4
        >>> pace.learn(4, 6.0)  # a slow one
        >>> pace.pieces
        2
        """
        fitting = int(pieces * _AT_ONCE_S / max(took_s, 1e-6))
        self.pieces = max(1, min(fitting, _GROWTH * pieces, MOST_PIECES))


def outlasting(begin: Callable[[], Iterator[T]], patience_s: float) -> Iterator[T]:
    """Yield what `begin` yields, and call it again whenever the link is cut or Redis takes nothing.

    Args:
        begin: Starts to move bytes, or goes on where it was; yields whenever some have arrived.
        patience_s: How long nothing may arrive, in wall seconds, however long all of it takes.

    Raises:
        redis.RedisError: If nothing has arrived for so long, or at once for what no time mends.
    """
    arrived, pause_s = time.monotonic(), _FIRST_PAUSE_S
    while True:
        try:
            for made in begin():
                yield made
                arrived, pause_s = time.monotonic(), _FIRST_PAUSE_S
        except REDIS_IS_AWAY as error:
            if time.monotonic() - arrived + pause_s > patience_s:
                raise
            _log.warning("transfer.interrupted", reason=str(error), next_try_in_s=pause_s)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            return
