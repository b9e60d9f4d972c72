"""FedZero's blocklist: who took part rests, the longer the more often it did."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from scheduler.policies.fedzero_blocklist import Participation, blocked, release
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext

START = datetime(2026, 3, 1, tzinfo=UTC)


def done(number: int, hour: float, *, salt: float = 60.0, **utility: float | None) -> PastRound:
    updates = {client: PastUpdate(u, salt, 1.0) for client, u in utility.items()}
    return PastRound(number, START + timedelta(hours=hour), updates)


def ask(*past: PastRound, hour: float, clients: str = "abcd") -> SelectionContext:
    return SelectionContext(
        [Candidate(c) for c in clients], 2, 1, len(past) + 1,
        START + timedelta(hours=hour), Random(0), past,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("p_c", "omega_", "alpha", "chance"),
    [
        (2, 2.0, 1.0, 1.0),  # p <= omega
        (1, 0.0, 1.0, 1.0),  # min(1, 1 / 1)
        (3, 1.0, 1.0, 0.5),
        (3, 0.5, 1.0, 0.4),
        (5, 1.0, 0.5, 0.125),
    ],
)
def test_the_chance_of_release_falls_with_rounds_beyond_omega(p_c, omega_, alpha, chance):
    assert release(p_c, omega_, alpha) == pytest.approx(chance)


def test_omega_follows_the_cycles_of_a_day():
    # Two of four clients an hour for four hours, then nothing: 8 / 4 = 2 on average.
    past = [done(n + 1, n, a=1.0, b=1.0) for n in range(4)]

    def at(hour: float) -> float:
        return Participation(past, 4).omega(START + timedelta(hours=hour))

    assert at(5) == 0.0  # the first cycle
    assert at(12) == 0.0
    assert at(18) == pytest.approx(1.0)  # half way from 0 to 2
    assert at(24) == at(30) == 2.0
    # Two more rounds in the second cycle: mean 3, of which a quarter is reached after 39 hours.
    past += [done(n, n + 20, a=1.0, b=1.0) for n in (5, 6)]
    assert at(30) == 2.0
    assert at(39) == pytest.approx(2.25)
    assert at(48) == 3.0


def test_after_its_first_round_a_client_is_released_at_once():
    assert blocked(ask(done(1, 0, a=1.0), hour=1), alpha=1.0, quantile=1.0) == set()


def test_a_client_far_beyond_omega_stays_as_often_as_the_product_says():
    # a took part twice: P = 1 / 2 at each try; two tries later it stays with 1 / 4.
    stays = [0, 0]
    for salt in range(400):
        past = [done(1, 0, a=1.0), done(2, 1, a=1.0, salt=salt), done(3, 2, b=1.0)]
        first = blocked(ask(*past[:2], hour=2), alpha=1.0, quantile=1.0)
        second = blocked(ask(*past, hour=3), alpha=1.0, quantile=1.0)
        assert second <= first  # who has left stays away until it takes part again
        stays[0] += "a" in first
        stays[1] += "a" in second
    assert stays[0] / 400 == pytest.approx(1 / 2, abs=0.08)
    assert stays[1] / 400 == pytest.approx(1 / 4, abs=0.08)


def test_a_round_that_waits_tries_every_hour_so_nobody_is_blocked_for_ever():
    past = [done(n, n, **dict.fromkeys("abcd", 1.0)) for n in range(1, 9)]
    still = [len(blocked(ask(*past, hour=8 + h), alpha=0.1, quantile=1.0)) for h in (1, 3, 12, 99)]
    assert still == sorted(still, reverse=True)
    assert still[0] > 0
    assert still[-1] == 0


def test_only_participants_of_little_utility_are_blocked():
    # The 0.5 quantile of 1, 2, 3 and 9 is 2.5: a and b. alpha is so small that none is released.
    past = [done(n, n, a=1.0, b=2.0, c=3.0, d=9.0) for n in (1, 2)]
    assert blocked(ask(*past, hour=3), alpha=1e-9, quantile=0.5) == {"a", "b"}
    assert blocked(ask(*past, hour=3), alpha=1e-9, quantile=1.0) == set("abcd")
    assert blocked(ask(*past, hour=3), alpha=1e-9, quantile=0.0) == {"a"}


def test_an_alpha_of_zero_blocks_nobody():
    past = [done(n, n, a=1.0) for n in (1, 2, 3)]
    assert blocked(ask(*past, hour=4), alpha=0.0, quantile=1.0) == set()


def test_who_took_part_as_often_as_the_others_is_free():
    # After a day omega is 2, and everybody took part twice.
    past = [done(n, n, **dict.fromkeys("abcd", 1.0)) for n in (1, 2)]
    assert blocked(ask(*past, hour=25), alpha=1e-9, quantile=1.0) == set()
