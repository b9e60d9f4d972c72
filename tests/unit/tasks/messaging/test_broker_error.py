"""What Redis refuses is said with what to do about it."""

from __future__ import annotations

import redis

from tasks.messaging.broker import broker_error


def test_a_database_that_the_server_does_not_have_is_no_fault_of_the_server() -> None:
    text = str(broker_error(redis.ResponseError("DB index is out of range")))
    assert "has no database of that number" in text
    assert "Correct what follows the last / of FAIRWIND_REDIS_URL" in text
