"""One result as a table for people."""

from __future__ import annotations

import os
from collections.abc import Sequence

from benchmarks.rounds import Result
from common.units import show_bytes


def print_result(result: Result) -> None:
    """Print one case: the round, where it goes, and how it compares."""
    case, took = result.case, result.round_s
    missed = f"missed by {took - case.target_s:.2f} s"
    model = case.num_params * 4
    more = (result.memory_bytes - result.idle_memory_bytes) / model
    peak, idle = show_bytes(result.memory_bytes), show_bytes(result.idle_memory_bytes)
    lines = [
        f"\n{_title(result)}, {os.cpu_count()} cores, load {result.load:.1f}",
        _line("round", took, f"{min(result.rounds_s):.3f} to {max(result.rounds_s):.3f}"),
        _line("aimed at", case.target_s, "met" if took <= case.target_s else missed),
        *(_line(f"  {_NAMES[name]}", seconds) for name, seconds in result.phases.items()),
        _line("  evaluate", result.evaluate_s, "while the next round trains"),
        "  in the same run",
        _line("  pure training", result.pure_training_s, "all clients, one core"),
        _line("  beyond it", took - result.pure_training_s),
        _line(
            "  bytes by hand", result.floor_s, f"a round takes {took / result.floor_s:.1f} times"
        ),
        "  CPU seconds a round",
        *(_line(f"  {name}", seconds) for name, seconds in result.cpu_s.items()),
        *_peers(result),
        _line("first round planned", result.first_round_s, "after `run start` was typed"),
        f"  coordinator's peak  {peak}, of which idle {idle}: {more:.1f} models more",
    ]
    print("\n".join(lines), flush=True)


def print_summary(results: Sequence[Result]) -> None:
    """Print a line for each case: rounds a second, beside the bytes by hand of the same run."""
    head = "rounds/s", "s a round", "aimed at", "by hand", "ratio", "CPU s", "peak"
    print(f"\n{'rounds':<36}" + "".join(f"{name:>11}" for name in head))
    for result in results:
        took = result.round_s
        figures = (
            f"{1 / took:.2f}", f"{took:.3f}", f"{result.case.target_s:.2f}",
            f"{result.floor_s:.3f}", f"{took / result.floor_s:.1f}",
            f"{sum(result.cpu_s.values()):.2f}", show_bytes(result.memory_bytes),
        )  # fmt: skip
        print(f"{_title(result):<36}" + "".join(f"{figure:>11}" for figure in figures))


def _title(result: Result) -> str:
    return f"{result.case.name}, {result.case.encoding}, {result.clients} clients"


def _peers(result: Result) -> list[str]:
    peers = {"Flower 1.42": result.case.flower_s, "NVIDIA FLARE 2.9": result.case.nvflare_s}
    lines = [
        _line(f"  {name}", seconds, f"{seconds / result.round_s:.0f} times as long")
        for name, seconds in peers.items()
        if seconds is not None
    ]
    return ["  peers, measured before on two cores", *lines] if lines else []


_NAMES = {
    "dispatch_s": "plan, dispatch",
    "queue_s": "queue",
    "pull_s": "pull",
    "train_s": "train",
    "push_s": "push",
    "accept_total_s": "accept (sum)",
    "close_s": "close",
}


def _line(name: str, seconds: float, remark: str = "") -> str:
    return f"  {name:<20}{seconds:8.3f} s   {remark}".rstrip()
