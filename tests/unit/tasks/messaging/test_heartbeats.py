"""What a heartbeat says of a site's reserved machine."""

from __future__ import annotations

import pytest
import redis

from common.settings import Settings
from tasks.messaging.heartbeats import HeartbeatSender


@pytest.mark.parametrize(
    ("stated", "idle_w"),
    [
        ({}, None),
        ({"idle_w": 40.0, "pue": 1.5}, 60.0),
        # More than any site draws at the wall is unknown, as it is where energy is booked.
        ({"idle_w": 150_000.0, "pue": 2.0}, None),
    ],
)
def test_a_heartbeat_states_the_idle_watts_at_the_wall(stated, idle_w):
    sender = HeartbeatSender(redis.Redis(), Settings(**stated), "a")
    assert sender.heartbeat(None).idle_w == idle_w
