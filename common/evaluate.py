"""Who evaluates the versions of a run, as a run's specification names them."""

from __future__ import annotations

from typing import Literal

Evaluate = Literal["coordinator", "sites", "both"]
"""``coordinator``: on its test data. ``sites``: each on its held-out data. ``both``: the
coordinator's figures decide, those of the sites stand beside them."""

FORMS = "coordinator, sites or both"
