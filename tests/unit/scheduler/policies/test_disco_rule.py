"""The seed's rule: the first ten always, then a carbon limit, then the ten of best latency."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from scheduler.policies.disco_rule import select
from scheduler.policies.selection_context import Candidate, SelectionContext

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = {"limit_gco2eq_per_kwh": 300.0, "slowest": 0.0}


def client(n: int, duration_s: float | None, intensity: float | None = 100.0) -> Candidate:
    return Candidate(f"c{n:02}", duration_s=duration_s, intensity_gco2eq_per_kwh=intensity)


def ask(*candidates: Candidate, wanted: int = 100, **options: float) -> list[str]:
    fields: dict[str, Any] = {"options": OPTIONS | options}
    return select(SelectionContext(candidates, wanted, 1, 1, NOW, Random(0), **fields))


def test_while_fewer_than_ten_have_trained_all_are_admitted_however_dirty() -> None:
    assert ask(*(client(n, 5.0, 900.0) for n in range(9))) == [f"c{n:02}" for n in range(9)]


def test_above_the_limit_a_client_is_refused_and_at_it_not() -> None:
    fast = [client(n, float(n), 300.0) for n in range(10)]
    assert ask(*fast, client(90, 0.1, 300.1)) == [f"c{n:02}" for n in range(10)]


def test_of_the_others_the_ten_of_best_latency_are_admitted_and_carbon_never_ranks() -> None:
    pool = [client(n, float(n), 290.0 - n) for n in range(15)]
    assert ask(*pool) == [f"c{n:02}" for n in range(10)]
    assert ask(*pool, slowest=1.0) == [f"c{n:02}" for n in range(5, 15)]


def test_a_client_that_never_trained_is_admitted_whatever_its_grid() -> None:
    pool = [client(n, float(n)) for n in range(12)]
    assert ask(*pool, client(99, None, 900.0)) == [*(f"c{n:02}" for n in range(10)), "c99"]


def test_an_unknown_intensity_is_not_above_the_limit() -> None:
    pool = [client(n, 1.0 + n) for n in range(12)]
    assert "c50" in ask(*pool, client(50, 0.5, None))


def test_more_admitted_than_places_are_drawn_by_chance() -> None:
    pool = [client(n, float(n)) for n in range(12)]
    chosen = ask(*pool, wanted=3)
    assert len(chosen) == 3
    assert set(chosen) < {f"c{n:02}" for n in range(10)}
