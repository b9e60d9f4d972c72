"""Local work: how many epochs a client does, so that dirty power and slow machines do fewer.

A whole update of a client that emits twice as much for an example is worth no more, but its first
epoch is worth the most. So whoever usually emits more for an example than the cleanest share of the
clients does is asked for fewer epochs in proportion, and never for fewer than one: nobody is left
out, and an update costs about as many grams wherever it is made. What counts is the usual hour, not
the running one: a clean hour is there to emit less, not to do more. A client that takes much longer
than the middle one does fewer, too, so that nobody waits for it. That updates of fewer epochs are
accepted from stragglers follows FedProx: Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated
Optimization in Heterogeneous Networks", MLSys 2020, https://arxiv.org/abs/1812.06127.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.planning.ground import Ground
from scheduler.policies.pool import Floats, Ints

_PATIENT = 2.0
"""A client may take this many times as long as the middle one before it does fewer epochs."""

_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class LocalWork:
    """What each of N candidates would do now.

    Attributes:
        whole_gco2eq: Of an update with all epochs, in the running hour; `(N,)`.
        share: Of all epochs that it may do, by its grams and its speed; `(N,)`.
        epochs: That the run asks for.
    """

    whole_gco2eq: Floats
    share: Floats
    epochs: int

    def counts(self, thrift: float = 1.0) -> Ints:
        """Return everybody's epochs, at least one, with shares scaled by `thrift`; `(N,)`."""
        wanted = np.rint(self.epochs * np.minimum(1.0, self.share * thrift))
        counts: Ints = np.clip(wanted, 1, self.epochs).astype(np.int64)
        return counts

    def gco2eq(self, counts: Ints) -> Floats:
        """Return what updates of so many epochs emit; `(N,)`."""
        grams: Floats = self.whole_gco2eq * counts / self.epochs
        return grams

    def within(self, chosen: Ints, budget_gco2eq: float) -> Ints:
        """Return everybody's epochs such that the chosen ones keep to a budget, if one each can.

        Args:
            chosen: Places of those who are to train.
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


def local_work(ground: Ground, duration_s: Floats, *, epochs: int, full_share: float) -> LocalWork:
    """Return what each candidate may do now.

    Args:
        ground: The candidates.
        duration_s: How long an update of theirs takes, NaN where unknown; `(N,)`.
        epochs: That the run asks for.
        full_share: Share of the clients, cleanest for an example first, that do all of them.
    """
    usual = ground.usual_gco2eq / ground.examples
    reference = np.quantile(usual, full_share)
    share = np.where(usual > reference, reference / np.where(usual > 0, usual, 1.0), 1.0)
    known = duration_s[~np.isnan(duration_s)]
    if len(known):
        patient_s = _PATIENT * np.median(known)
        share = (
            np.minimum(share, patient_s / np.fmax(duration_s, patient_s)) if patient_s else share
        )
    return LocalWork(ground.gco2eq(0), share, epochs)
