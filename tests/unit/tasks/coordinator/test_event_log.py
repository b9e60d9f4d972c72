"""The coordinator's log names each event by its kind, with what a person looks for."""

import subprocess
import sys

SCRIPT = """
from common import log
from scheduler.ledger.event import Draft
from scheduler.ledger.events import *
from tasks.coordinator.event_log import log_event
log.configure("INFO")
sha = "a" * 64
for payload in (
    ClientJoined(incarnation="i", host="h7", pid=7),
    ClientSilent(),
    ClientPaused(),
    SignalFellBack(zone="FR", expected="neso", active_source=None, why="It does not answer."),
    RunOpened(version=sha, num_params=42, scored_here=True),
    RoundEvaluated(metrics={"accuracy": 0.5}, evaluate_s=1.0),
    RunEnded(reason="rounds", text="", last_version=sha, best_version=sha),
    GridRead(readings={}),
):
    log_event(Draft(payload, run="r", round=3, client="lyon"))
"""


EXPECTED = """\
info client.joined client=lyon host=h7 pid=7 round=3 run=r
warning client.silent client=lyon round=3 run=r
info client.paused client=lyon round=3 run=r
warning signal.fell_back active=none client=lyon expected=neso reason='It does not answer.' \
round=3 run=r zone=FR
info run.opened client=lyon parameters=42 round=3 run=r version=aaaaaaaaaaaa
info round.evaluated accuracy=0.5 client=lyon round=3 run=r
info run.ended client=lyon reason=rounds round=3 run=r
"""


def test_what_operations_promises_is_one_line_each():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    logged = [line.replace("[", "").replace("]", "").split() for line in done.stderr.splitlines()]
    assert [words[1:] for words in logged] == [line.split() for line in EXPECTED.splitlines()]
