"""Which messages of tasks are taken, whatever arrives."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.app import app
from tasks.wire import intake
from tasks.wire.plain_json import UnfitError
from tasks.wire.task_message import read_task
from tests.integration.attacks.poison import POISON, embedding, encoded, message, raw

TASKS = {"accept": 1, "tick": 0}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=10), below, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", POISON)
def test_poison_is_refused_for_what_it_is(name):
    poison, code = POISON[name]
    with pytest.raises(UnfitError) as refused:
        read_task(raw(poison), "aggregation", TASKS)
    assert refused.value.code == code
    assert refused.value.text.isprintable()
    assert len(refused.value.text) < 600


def test_a_message_of_ours_is_taken_and_written_anew():
    found = read_task(raw(message("tick", args=())), "coordinator", TASKS)
    assert found["headers"]["task"] == "tick"
    assert found["properties"]["delivery_info"]["routing_key"] == "coordinator"
    assert found["properties"]["delivery_tag"] != "0123-tag"
    assert "reply_to" not in found["properties"]


def test_what_flower_shows_of_a_message_moves_no_cursor():
    found = read_task(raw(message(argsrepr="\x1b[2J\nred")), "aggregation", TASKS)
    assert found["headers"]["argsrepr"] == "\\x1b[2J\\nred"


@given(st.binary(max_size=200) | anything.map(lambda any_: json.dumps(any_).encode()))
@example(raw(message()))
def test_any_bytes_are_taken_or_dropped_and_nothing_is_raised(arrived):
    found = intake.taken(arrived, "aggregation")
    assert found is None


@given(
    st.sampled_from(["headers", "properties", "body", "content-type", "content-encoding"]),
    anything,
)
def test_any_part_may_be_anything(part, value):
    _taken_or_refused({**message(), part: value})


@given(st.sampled_from(sorted(message()["headers"])), anything)
def test_any_header_may_be_anything(header, value):
    _taken_or_refused(message(**{header: value}) if header != "task" else message(value))


@given(st.sampled_from(sorted(message()["properties"])), anything)
def test_any_property_may_be_anything(name, value):
    changed = message()
    changed["properties"][name] = value
    _taken_or_refused(changed)


@given(st.sampled_from(["callbacks", "errbacks", "chain", "chord", "more"]), anything)
def test_whatever_is_embedded_nothing_follows(name, value):
    if value not in (None, []) or name == "more":
        with pytest.raises(UnfitError):
            read_task(raw(embedding(**{name: value})), "aggregation", TASKS)


def _taken_or_refused(arrived: object) -> None:
    try:
        found = read_task(raw(arrived), "aggregation", TASKS)
    except UnfitError as refused:
        assert refused.text  # noqa: PT017 - which of both it is follows from what arrived
        return
    assert found["headers"]["task"] in TASKS
    assert found["headers"]["eta"] is None


def test_what_celery_writes_for_our_tasks_is_taken():
    sent = app.amqp.as_task_v2("0a-1", "accept", args=({"run": "r"},), argsrepr="north, round 1")
    arrived = {
        **message(),
        "headers": json.loads(json.dumps(sent.headers)),
        "body": encoded(sent.body),
    }
    found = read_task(raw(arrived), "aggregation", TASKS)
    assert found["headers"]["argsrepr"] == "north, round 1"
