"""Tasks sent together are those sent alone; what no receiver takes is not sent."""

import json
import subprocess
import sys
from typing import Any

import redis

from tasks.wire.task_message import read_task

SEND = """
import json, threading, time
from celery.events import EventReceiver
from common.messages import Heartbeat
from common.clock import wall_now
from tasks.app import app
from tasks.messaging.queues import batch, client_queue, send

told = []
def listen(connection):
    def tell(event):
        told.append(event)
        receiver.should_stop = len({event["queue"] for event in told}) == 2501
    receiver = EventReceiver(connection, handlers={"task-sent": tell}, app=app)
    receiver.capture(limit=None, timeout=60)

def message(client):
    return Heartbeat(client=client, incarnation="i", host="h", pid=1, at=wall_now())

with app.connection_for_read() as connection:
    thread = threading.Thread(target=listen, args=(connection,))
    thread.start()
    while not told:  # nobody says when the subscription begins
        send("train", client_queue("alone"), message("alone"), shown="r/1")
        time.sleep(0.1)
    with batch() as together:
        for n in range(2500):
            send("train", client_queue(f"c{n}"), message(f"c{n}"), shown="r/1", through=together)
    thread.join()
print(json.dumps(told))
"""

SEND_LARGE = """
from common.envelope import COORDINATOR, Signer
from common.errors import SettingError
from common.identity import Identity
from common.message import Message
from tasks.messaging.queues import client_queue, send
from tasks.wire.task_message import MOST_ARGUMENT_NBYTES

class Text(Message):
    text: str

north, most = client_queue("north"), MOST_ARGUMENT_NBYTES
for signer in (None, Signer(COORDINATOR, Identity.make())):
    send("train", north, Text(text="x" * (most - 2000)), signer=signer)  # beside its envelope
    try:
        send("train", north, Text(text="x" * most), signer=signer)
    except SettingError as error:
        print(error)
"""


def shape(value: Any) -> Any:
    """Return the names in a message, and the types of what they stand for."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return type(value).__name__


def test_a_batch_leaves_the_same_messages_and_events(redis_client: redis.Redis):
    ran = subprocess.run(
        [sys.executable, "-c", SEND], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    alone = json.loads(redis_client.lrange("client.alone", 0, -1)[0])
    for n in (0, 999, 1000, 2499):
        (raw,) = redis_client.lrange(f"client.c{n}", 0, -1)
        together = json.loads(raw)
        assert shape(together) == shape(alone)
        assert together["properties"]["delivery_info"] == {
            "exchange": "",
            "routing_key": f"client.c{n}",
        }
    by_queue = {event["queue"]: event for event in told}
    assert len(by_queue) == 2501
    assert shape(by_queue["client.c7"]) == shape(by_queue["client.alone"])
    assert by_queue["client.c7"]["args"] == "r/1"


def test_the_largest_message_that_is_sent_is_taken_and_a_larger_one_is_refused(
    redis_client: redis.Redis,
):
    done = subprocess.run(
        [sys.executable, "-c", SEND_LARGE], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("so it was not sent. Use fewer or shorter options.") == 2
    messages = redis_client.lrange("client.north", 0, -1)
    assert len(messages) == 2
    for raw in messages:
        assert isinstance(raw, bytes)
        assert read_task(raw, "client.north", {"train": 1})["headers"]["task"] == "train"
