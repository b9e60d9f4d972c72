"""No simulation is lost or counted twice, whatever becomes of messages, workers and Redis."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from simulation.hosts.open_work import OpenWork

KEYS = ("a", "b", "c", "d")


def test_so_many_are_on_their_way_and_not_more():
    work = OpenWork.of(KEYS)
    assert work.to_send(2) == ["a", "b"]
    work.note_sent("a")
    work.note_sent("b")
    assert work.to_send(2) == []
    assert work.note_done("a")
    assert work.to_send(2) == ["c"]


def test_what_is_nowhere_at_two_looks_is_sent_again():
    work = OpenWork.of(["a"])
    work.note_sent("a")
    work.look(queued=(), leased=())
    assert work.to_send(1) == []
    work.look(queued=(), leased=())
    assert work.to_send(1) == ["a"]
    assert work.deaths == {}


def test_what_waits_or_is_simulated_is_not_sent_again():
    work = OpenWork.of(["a", "b"])
    for key in ("a", "b"):
        work.note_sent(key)
    for _ in range(5):
        work.look(queued=["a"], leased=["b"])
    assert work.sent == ["a", "b"]


def test_a_second_outcome_changes_nothing():
    work = OpenWork.of(["a", "b"])
    work.note_sent("a")
    assert work.note_done("a")
    assert not work.note_done("a")
    assert not work.note_done("unknown")
    assert list(work.wanted) == ["b"]


def test_a_simulation_that_ends_its_workers_is_given_up():
    work = OpenWork.of(["a"])
    for _ in range(3):
        assert work.hopeless(["w"], most_deaths=3) is None
        work.note_sent("a")
        work.look(queued=(), leased=["a"])
        work.look(queued=(), leased=())
        work.look(queued=(), leased=())
    found = work.hopeless(["w"], most_deaths=3)
    assert found == ("a", "3 workers were gone while they simulated it.")


def test_an_emptied_redis_is_no_death_of_a_worker():
    work = OpenWork.of(["a"])
    work.note_sent("a")
    work.look(queued=(), leased=["a"])
    work.note_emptied()
    for _ in range(2):
        work.look(queued=(), leased=())
    assert work.deaths == {}
    assert work.to_send(1) == ["a"]


def test_what_one_worker_cannot_simulate_is_for_the_others_until_all_have_tried():
    work = OpenWork.of(["a"])
    work.note_sent("a")
    work.note_failed("a", "one", "No file.")
    assert work.to_send(1) == ["a"]
    assert work.hopeless(["one", "two"], most_deaths=3) is None
    assert work.hopeless([], most_deaths=3) is None
    work.note_failed("a", "two", "No file either.")
    assert work.hopeless(["one", "two"], most_deaths=3) == ("a", "No file.")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 4), st.none()),
        st.tuples(st.just("done"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("failed"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("lost"), st.sampled_from(KEYS), st.none()),
        st.tuples(
            st.just("look"), st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS))
        ),
    )
)  # fmt: skip


@given(STEPS)
def test_each_simulation_is_done_once_and_every_other_one_can_still_be_sent(steps):
    work, done = OpenWork.of(KEYS), []
    for kind, first, second in steps:
        if kind == "send":
            for key in work.to_send(first):
                work.note_sent(key)
            assert len(work.sent) <= len(KEYS)
        elif kind == "done" and work.note_done(first):
            done.append(first)
        elif kind == "failed":
            work.note_failed(first, "worker", "reason")
        elif kind == "lost":
            work.note_lost(first)
        elif kind == "look":
            work.look(queued=first, leased=second)
    assert len(set(done)) == len(done)
    assert set(work.wanted) == set(KEYS) - set(done)
    for _ in range(2):
        work.look(queued=(), leased=())
    assert set(work.to_send(len(KEYS))) == set(work.wanted)
