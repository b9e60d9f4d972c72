"""Local work: how many epochs a client does, so that dirty power and slow machines do fewer.

A whole update of a client that emits twice as much per example is worth no more, but its first
epoch is worth the most. So clients that usually emit more per example than the cleanest share of
the clients do fewer epochs in proportion, and never fewer than a least number: no client is left
out, and an update emits about the same wherever it is made. They do any part of the epochs, or
whole ones. What counts is the usual hour, not the current one: a clean hour is there to emit less,
not to do more. A client that takes much longer than the median does fewer, too, so that the round
does not wait for it. That updates of fewer epochs are accepted from stragglers follows FedProx: Li,
Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated Optimization in Heterogeneous Networks",
MLSys 2020, https://arxiv.org/abs/1812.06127.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.candidate_table import Floats, Ints
from scheduler.policies.planning.hourly_emissions import HourlyEmissions

_PATIENT = 2.0
"""A client may take this many times the median duration before it does fewer epochs."""

_HALVINGS = 20

_DIGITS = 6
"""Parts of an epoch are given to so many digits."""


@dataclass(frozen=True, slots=True)
class LocalWork:
    """What each of N candidates would do now.

    Attributes:
        whole_gco2eq: Of an update with all epochs, in the running hour; `(N,)`.
        share: Of all epochs that it may do, by its emissions and its speed; `(N,)`.
        epochs: Local epochs of the run.
        part: The least part of an epoch, where a client may do parts of one; `None` where it does
            whole epochs.
    """

    whole_gco2eq: Floats
    share: Floats
    epochs: int
    part: float | None = None

    @property
    def least(self) -> float:
        """The epochs that a client does at least."""
        return 1.0 if self.part is None else min(self.part, self.epochs)

    def counts(self, thrift: float = 1.0) -> Floats:
        """Return the epochs of each, at least the least, with shares scaled by `thrift`; `(N,)`."""
        wanted = self.epochs * np.minimum(1.0, self.share * thrift)
        wanted = np.rint(wanted) if self.part is None else np.round(wanted, _DIGITS)
        counts: Floats = np.clip(wanted, self.least, self.epochs)
        return counts

    def gco2eq(self, counts: Floats) -> Floats:
        """Return what updates of so many epochs emit; `(N,)`."""
        grams: Floats = self.whole_gco2eq * counts / self.epochs
        return grams

    def within(self, chosen: Ints, budget_gco2eq: float) -> Floats:
        """Return the epochs of each such that the chosen keep to a budget, if the least do.

        Args:
            chosen: Places of the clients that train.
            budget_gco2eq: For all of them.
        """
        counts = self.counts()
        if self.gco2eq(counts)[chosen].sum() <= budget_gco2eq:
            return counts
        asked = LocalWork(self.whole_gco2eq[chosen], self.share[chosen], self.epochs, self.part)
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = asked.gco2eq(asked.counts(middle)).sum() <= budget_gco2eq
            low, high = (middle, high) if fits else (low, middle)
        return self.counts(low)


def local_work(
    emissions: HourlyEmissions,
    duration_s: Floats,
    *,
    epochs: int,
    full_share: float,
    part: float | None = None,
) -> LocalWork:
    """Return what each candidate may do now.

    Args:
        emissions: The candidates.
        duration_s: How long an update of theirs takes, NaN where unknown; `(N,)`.
        epochs: Local epochs of the run.
        full_share: Share of the clients, cleanest per example first, that do all of them.
        part: The least part of an epoch that a client does; `None` for whole epochs.
    """
    usual = emissions.usual_gco2eq / emissions.examples
    reference = np.quantile(usual, full_share)
    share = np.where(usual > reference, reference / np.where(usual > 0, usual, 1.0), 1.0)
    known = duration_s[~np.isnan(duration_s)]
    if len(known):
        patient_s = _PATIENT * np.median(known)
        share = (
            np.minimum(share, patient_s / np.fmax(duration_s, patient_s)) if patient_s else share
        )
    return LocalWork(emissions.gco2eq(0), share, epochs, part)
