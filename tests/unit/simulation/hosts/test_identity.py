"""Which workers may simulate for a study, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.hosts.identity import HostIdentity, host_identity
from simulation.hosts.message import WorkerSign
from simulation.hosts.worker import worker_name
from simulation.hosts.workers_seen import WorkersSeen

OURS = HostIdentity("0a", {"torch": "2.4", "python": "3.11.2"}, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"code": "0b"}, "its code is another (0b there, 0a here)"),
        ({"libraries": {"torch": "2.5", "python": "3.11.2"}}, "(torch 2.5 there, torch 2.4 here)"),
        ({"libraries": {"python": "3.11.2"}}, "(torch none there, torch 2.4 here)"),
        ({"key": "ed25519:x"}, "it believes another key (ed25519:x there, none here)"),
    ],
)
def test_who_differs_has_another_queue_and_is_told_what_differs(change, says):
    other = replace(OURS, **change)
    assert says in (other.differs_from(OURS) or "")
    assert other.queue.name != OURS.queue.name


def test_the_same_process_is_its_own_equal():
    one, two = host_identity(None), host_identity(None)
    assert one.differs_from(two) is None
    assert one.queue.name == two.queue.name
    assert one.queue.name.startswith("simulations.")


def sign(name: str, host: str, **changes: object) -> WorkerSign:
    body = {
        "worker": name, "host": host, "processes": 4, "code": OURS.code,
        "libraries": OURS.libraries, **changes,
    }  # fmt: skip
    return WorkerSign.model_validate(body)


def test_workers_are_counted_and_each_change_is_said_once():
    said: list[str] = []
    seen = WorkersSeen(OURS, said.append)
    seen.look([])
    seen.look([])
    assert len(said) == 1
    assert said[0].endswith("start: celery -A simulation worker")
    two = [sign("a:1", "a"), sign("b:1", "b"), sign("c:1", "c", code="0b")]
    for _ in range(2):
        seen.look(two)
    assert seen.processes == 8
    assert seen.names == {"a:1", "b:1"}
    assert len(said) == 3
    assert said[1].startswith("The worker c:1 takes no simulation of this study: its code")
    assert said[2] == "2 workers on 2 hosts, 8 simulations at once"


@pytest.mark.parametrize("host", ["a-host.example", "my_host", "büro 2", ""])
def test_a_worker_has_a_name_of_its_own_whatever_its_host_is_called(host):
    one, other = worker_name(host), worker_name(host)
    assert one != other
    sign = WorkerSign(worker=one, host=host, processes=1, code="c", libraries={})
    assert sign.worker == one
