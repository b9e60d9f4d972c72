"""FedZero's program: how much each client trains, so that each domain's energy suffices.

For the paper see `scheduler.policies.fedzero`. With b_c whether client c takes part, and m_{c,t}
its work in time step t,

    max  sum_c b_c sigma_c sum_t m_{c,t}
    s.t. 0 <= m_{c,t} <= spare_c b_c
         sum_{c in domain} delta_c m_{c,t} <= r_{domain,t}        for every domain and t
         m_min b_c <= sum_t m_{c,t} <= m_max b_c
         sum_c b_c = n

The paper bounds m_{c,t} by spare_c and multiplies by b_c in the objective; with b_c in the bound
the product is sigma_c m_{c,t} and the program is linear. Steps in which nothing changes are taken
together: what can be done in them as a whole can be done in equal parts.

Ours: work that adds nothing to the objective, since sigma is 0, is worth a thousandth, so that
energy left over is used, as the paper's clients do at run time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scheduler.policies.candidate_table import Floats, Ints
from scheduler.policies.planning.milp import Rows, minimise

GAP = 1e-3
"""The choice is at most this share worse than the best."""

_LEFTOVER = 1e-3


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The work that N clients can do in S spans of time, and the energy of Z domains.

    Attributes:
        sigma: What an epoch of each client is worth, from 0 to 1; shape `(N,)`.
        delta_wh: Energy of an epoch; shape `(N,)`.
        spare: Epochs each client can do in each span; shape `(N, S)`.
        domain: Of each client; shape `(N,)`.
        energy_wh: What each domain can give in each span; shape `(Z, S)`.
        least, most: Bounds of the epochs of each participant.
    """

    sigma: Floats
    delta_wh: Floats
    spare: Floats
    domain: Ints
    energy_wh: Floats
    least: float
    most: float

    def reachable(self) -> Floats:
        """Return the epochs that each could do if it had its domain to itself; shape `(N,)`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            fed = self.energy_wh[self.domain] / self.delta_wh[:, None]  # (N, S)
        fed = np.where(np.isnan(fed), 0.0, fed)  # neither energy nor need of it
        reached: Floats = np.minimum(self.spare, fed).sum(axis=1)
        return reached

    def within(self, minutes: Floats) -> BatchLimits:
        """Return the work of so many minutes of each span, `self` being of one; shape `(S,)`."""
        used = np.flatnonzero(minutes)
        return replace(
            self, spare=self.spare[:, used] * minutes[used],
            energy_wh=self.energy_wh[:, used] * minutes[used],
        )  # fmt: skip

    def of(self, some: Ints) -> BatchLimits:
        """Return the work of some of the clients."""
        return replace(
            self, sigma=self.sigma[some], delta_wh=self.delta_wh[some], spare=self.spare[some],
            domain=self.domain[some],
        )  # fmt: skip


def surely(work: BatchLimits, n: int) -> bool:
    """Return whether `n` clients can take part at once, by a quick test that may miss it."""
    left_wh, found = work.energy_wh.copy(), 0
    for client in np.argsort(work.delta_wh, kind="stable"):
        delta_wh, here = work.delta_wh[client], left_wh[work.domain[client]]
        fed = here / delta_wh if delta_wh > 0.0 else np.where(here > 0.0, np.inf, 0.0)
        could = np.minimum(work.spare[client], fed)  # (S,)
        before = np.cumsum(could) - could
        done = np.minimum(could, np.maximum(work.least - before, 0.0))  # the earliest first
        if done.sum() >= work.least:
            here -= done * delta_wh
            found += 1
        if found >= n:
            return True
    return False


def allocate(work: BatchLimits, n: int) -> Floats | None:
    """Return the epochs of each client, 0 for those not chosen, or `None` if not `n` can work.

    Shape `(N,)`.
    """
    worth = np.repeat(-(work.sigma + _LEFTOVER), work.spare.shape[1])
    found = _solve(work, np.concatenate([np.zeros(len(work.sigma)), worth]), n, n)
    if found is None:
        return None
    num_clients = len(work.sigma)
    chosen = found[:num_clients] > 0.5  # noqa: PLR2004 - a whole number, to within rounding
    epochs: Floats = found[num_clients:].reshape(work.spare.shape).sum(axis=1)
    return np.where(chosen, np.maximum(epochs, work.least), 0.0)


def most_clients(work: BatchLimits, n: int) -> int:
    """Return how many clients, up to `n`, can take part at once."""
    num_clients, spans = work.spare.shape
    worth = np.concatenate([-np.ones(num_clients), np.zeros(num_clients * spans)])
    found = _solve(work, worth, 0, n)
    return 0 if found is None else round(float(found[:num_clients].sum()))


def _solve(work: BatchLimits, cost: Floats, fewest: int, n: int) -> Floats | None:
    """Return b of each client, then m of each client and span; see the module."""
    num_clients, spans = work.spare.shape
    b, each = np.arange(num_clients), np.arange(num_clients * spans)
    client, m = each // spans, num_clients + each
    spare = np.minimum(work.spare, work.most).ravel()
    energy_wh = work.energy_wh[work.domain].ravel()
    rows = Rows()

    # m_{c,t} - spare_c b_c <= 0
    rows.add(
        (np.tile(each, 2), np.append(m, b[client]), np.append(np.ones(len(m)), -spare)),
        high=0.0, num_rows=len(m),
    )  # fmt: skip

    # sum_t m_{c,t} - m_min b_c >= 0, and the same with m_max <= 0
    at, columns = np.append(client, b), np.append(m, b)
    for bound, low, high in ((work.least, 0.0, np.inf), (work.most, -np.inf, 0.0)):
        weights = np.append(np.ones(len(m)), np.full(num_clients, -bound))
        rows.add((at, columns, weights), low=low, high=high, num_rows=num_clients)

    # sum_c delta_c m_{c,t} / r_{domain,t} <= 1; where there is no energy m is 0
    fed = energy_wh > 0.0
    feed = work.domain[client] * spans + each % spans
    share = work.delta_wh[client[fed]] / energy_wh[fed]
    rows.add((feed[fed], m[fed], share), high=1.0, num_rows=work.energy_wh.size)

    rows.add((np.zeros_like(b), b, 1.0), low=float(fewest), high=float(n))
    return minimise(
        cost, rows, most=np.append(np.ones(num_clients), np.where(fed, spare, 0.0)),
        integral=np.append(np.ones(num_clients, bool), np.zeros(len(m), bool)), gap=GAP,
    )  # fmt: skip
