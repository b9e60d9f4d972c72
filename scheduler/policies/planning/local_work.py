"""Local work: how many epochs a client does, so that dirty power and slow machines do fewer.

A whole update of a client that emits twice as much per example is worth no more, but its first
epoch is worth the most. So clients that usually emit more per example than the cleanest share of
the clients do fewer epochs in proportion, and never fewer than one: no client is left out, and an
update emits about the same wherever it is made. What counts is the usual hour, not the current one:
a clean hour is there to emit less, not to do more. A client that takes much longer than the median
does fewer, too, so that the round does not wait for it. That updates of fewer epochs are
accepted from stragglers follows FedProx: Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated
Optimization in Heterogeneous Networks", MLSys 2020, https://arxiv.org/abs/1812.06127.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.candidate_table import Floats, Ints
from scheduler.policies.planning.hourly_emissions import HourlyEmissions

_PATIENT = 2.0
"""A client may take this many times the median duration before it does fewer epochs."""

_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class LocalWork:
    """What each of N candidates would do now.

    Attributes:
        whole_gco2eq: Of an update with all epochs, in the running hour; `(N,)`.
        share: Of all epochs that it may do, by its emissions and its speed; `(N,)`.
        epochs: Local epochs of the run.
    """

    whole_gco2eq: Floats
    share: Floats
    epochs: int

    def counts(self, thrift: float = 1.0) -> Ints:
        """Return the epochs of each, at least one, with shares scaled by `thrift`; `(N,)`."""
        wanted = np.rint(self.epochs * np.minimum(1.0, self.share * thrift))
        counts: Ints = np.clip(wanted, 1, self.epochs).astype(np.int64)
        return counts

    def gco2eq(self, counts: Ints) -> Floats:
        """Return what updates of so many epochs emit; `(N,)`."""
        grams: Floats = self.whole_gco2eq * counts / self.epochs
        return grams

    def within(self, chosen: Ints, budget_gco2eq: float) -> Ints:
        """Return the epochs of each such that the chosen keep to a budget, if one epoch each does.

        Args:
            chosen: Places of the clients that train.
            budget_gco2eq: For all of them.
        """
        counts = self.counts()
        if self.gco2eq(counts)[chosen].sum() <= budget_gco2eq:
            return counts
        asked = LocalWork(self.whole_gco2eq[chosen], self.share[chosen], self.epochs)
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = asked.gco2eq(asked.counts(middle)).sum() <= budget_gco2eq
            low, high = (middle, high) if fits else (low, middle)
        return self.counts(low)


def local_work(
    emissions: HourlyEmissions, duration_s: Floats, *, epochs: int, full_share: float
) -> LocalWork:
    """Return what each candidate may do now.

    Args:
        emissions: The candidates.
        duration_s: How long an update of theirs takes, NaN where unknown; `(N,)`.
        epochs: Local epochs of the run.
        full_share: Share of the clients, cleanest per example first, that do all of them.
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
    return LocalWork(emissions.gco2eq(0), share, epochs)
