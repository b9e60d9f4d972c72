"""Clients whose updates a robust rule leaves out again and again, and how it treats all. Pure.

A site with rare data looks the same as an attacker. So nobody is left out in silence: a client that
kept less than half of its weight in several rounds is reported, to the operator and to the site.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.units import show_share
from scheduler.federation.run import Run

ROUNDS = 3
"""So many rounds of a client without a break, each below half, are reported."""

_SHOWN = 12

RARE = "A site with rare data looks the same as an attacker."

_RULES = {
    "nnm-trimmed": "nearest-neighbour mixing and trimmed mean",
    "trimmed": "trimmed mean",
    "krum": "Krum",
    "multi-krum": "Multi-Krum",
    "median": "median of each coordinate",
    "geometric-median": "geometric median",
    "centered-clipping": "centered clipping",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A client that keeps little of its weight.

    Attributes:
        client: Its id.
        run: In which run.
        rounds: In how many of its last rounds, without a break, it kept less than half.
        kept: The part of its weight that it kept over all its rounds.
    """

    client: str
    run: str
    rounds: int
    kept: float

    @property
    def sentence(self) -> str:
        """What an operator should know of it."""
        return (
            f"{self.client} kept less than half of its weight in each of its last {self.rounds} "
            f"rounds ({show_share(self.kept)} over all). {RARE} Compare its data and its metrics "
            "with the other sites' before you remove it."
        )


def rule_text(run: Run) -> str | None:
    """Return by which robust rule a run combines updates; `None` with the mean."""
    if not run.spec.is_robust:
        return None
    rule = run.spec.rule
    liars = (
        f"withstands {rule.f} wrong update{'s' * (rule.f != 1)} in a round" if rule.f
        else "withstands wrong updates of less than half of the clients"
    )  # fmt: skip
    return f"{_RULES[rule.rule]}; {liars}, needs {rule.least_updates}; all updates count alike"


def kept_shares(run: Run) -> dict[str, float]:
    """Return the part of its weight that each client kept over its rounds, the least first."""
    sums = run.closed.sums
    kept = {
        client: permille / 1000 / sums.rounds[client]
        for client, permille in sums.kept_permille.items()
    }
    return dict(sorted(kept.items(), key=lambda item: (item[1], item[0])))


def kept_text(run: Run) -> str | None:
    """Return what each client kept of its weight, as a line; `None` before a robust round."""
    kept = kept_shares(run)
    shown = [f"{client} {show_share(share)}" for client, share in list(kept.items())[:_SHOWN]]
    more = [f"{len(kept) - _SHOWN} more"] if len(kept) > _SHOWN else []
    return ", ".join(shown + more) or None


def left_out(run: Run) -> tuple[LeftOut, ...]:
    """Return the clients that kept less than half of their weight in their last rounds."""
    kept = kept_shares(run)
    return tuple(
        LeftOut(client, run.id, rounds, kept[client])
        for client, rounds in sorted(run.closed.sums.below_half.items())
        if rounds >= ROUNDS
    )
