"""One result as a table for people."""

from __future__ import annotations

import os

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
        f"\n{case.name}, {result.clients} clients, {os.cpu_count()} cores",
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
        "  peers, measured before on two cores",
        _line("  Flower 1.42", case.flower_s, f"{case.flower_s / took:.0f} times as long"),
        _line("  NVIDIA FLARE 2.9", case.nvflare_s, f"{case.nvflare_s / took:.0f} times as long"),
        _line("first round planned", result.first_round_s, "after `run start` was typed"),
        f"  coordinator's peak  {peak}, of which idle {idle}: {more:.1f} models more",
    ]
    print("\n".join(lines), flush=True)


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
