"""Mixed-integer linear programs, solved by HiGHS through SciPy.

Q. Huangfu and J. A. J. Hall, "Parallelizing the dual revised simplex method", Mathematical
Programming Computation 10, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scheduler.policies.candidate_table import Floats, Ints

LIMIT_S = 5.0
"""Wall seconds after which the search ends: the best solution until then is the answer."""

_MAX_NODES = 500
"""Ends a search before the clock does, so that the same program has the same answer anywhere."""


@dataclass(slots=True)
class Rows:
    """Linear constraints low <= A x <= high, added a block at a time."""

    _rows: list[Ints] = field(default_factory=list)
    _columns: list[Ints] = field(default_factory=list)
    _coefficients: list[Floats] = field(default_factory=list)
    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    num_rows: int = 0

    def add(
        self,
        entries: tuple[Ints, Ints, Floats | float],
        *,
        low: Floats | float = -np.inf,
        high: Floats | float = np.inf,
        num_rows: int = 1,
    ) -> None:
        """Add a block of rows.

        Args:
            entries: Row (from 0 in this block), column and coefficient, of one length or broadcast
                to it.
            low: What each row must reach; shape `(num_rows,)` or one for all.
            high: What no row may exceed; likewise.
            num_rows: How many rows the block has.
        """
        row, column, coefficient = np.broadcast_arrays(*entries)
        self._rows.append(row.ravel() + self.num_rows)
        self._columns.append(column.ravel())
        self._coefficients.append(coefficient.ravel().astype(np.float64))
        self.low.append(np.broadcast_to(np.asarray(low, np.float64), (num_rows,)))
        self.high.append(np.broadcast_to(np.asarray(high, np.float64), (num_rows,)))
        self.num_rows += num_rows

    def entries(self) -> tuple[Floats, tuple[Ints, Ints]]:
        """Return coefficients, and the row and column of each."""
        where = np.concatenate(self._rows), np.concatenate(self._columns)
        return np.concatenate(self._coefficients), where


def minimise(
    cost: Floats, rows: Rows, *, most: Floats, integral: npt.NDArray[np.bool_], gap: float = 1e-4
) -> Floats | None:
    """Return an x from 0 to `most` that costs least, to within a gap, or `None` if there is none.

    If a limit of nodes or time ends the search, the best solution so far is returned, or `None`.

    Args:
        cost: Of a unit of each variable; shape `(num_variables,)`.
        rows: What x must obey.
        most: Upper bounds, 0 below; shape `(num_variables,)`.
        integral: Which variables are whole numbers; shape `(num_variables,)`.
        gap: The answer may cost this share more than the least.
    """
    # Loading takes half a second, which only the policies that solve programs should cost.
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415
    from scipy.sparse import csr_array  # noqa: PLC0415

    matrix = csr_array(rows.entries(), shape=(rows.num_rows, len(cost)))
    limits = LinearConstraint(matrix, np.concatenate(rows.low), np.concatenate(rows.high))
    found = milp(
        cost, integrality=integral.astype(np.int64), bounds=Bounds(0.0, most), constraints=limits,
        options={"time_limit": LIMIT_S, "node_limit": _MAX_NODES, "mip_rel_gap": gap},
    )  # fmt: skip
    return None if found.x is None else np.asarray(found.x, np.float64)
