"""Logs say in one line that a server is away, and keep the traceback of everything else."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import logging
import kombu.exceptions, redis
from common import log
log.configure("INFO")
def stumble(error):
    try:
        raise error
    except Exception:
        None.of_a_library_that_fell_over
try:
    raise {error}
except Exception:
    logging.getLogger("celery.beat").exception("Message Error: %s\\nand more", "tick")
"""


def said_of(error: str) -> str:
    """Return what a process logs of an error, in a process of its own: pytest has handlers too."""
    script = SCRIPT.format(error=error)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stderr.strip()


@pytest.mark.parametrize(
    "error",
    [
        "redis.ConnectionError('gone')",
        "kombu.exceptions.OperationalError('gone')",
        "ConnectionRefusedError('gone')",
        "stumble(redis.ConnectionError('gone'))",
    ],
)
def test_a_lost_connection_is_one_line(error):
    said = said_of(error)
    assert len(said.splitlines()) == 1
    assert "Message Error: tick" in said


def test_any_other_error_keeps_its_traceback():
    assert "Traceback" in said_of("ValueError('odd')")
