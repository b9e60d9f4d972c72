"""The sentences of verdicts and of waiting rounds that need no figures."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "silent": "its worker is not running; start it at the site",
    "busy": "it still works on another assignment; it can be invited afterwards",
    "failing": "its last assignments failed; it is tried again by itself, after longer and longer "
    "pauses; read the site's log",
    "failed": "its last assignment failed; it is tried again by itself in a moment",
    "declined": "it declined; it is invited again when this hour of the grid, the time that its "
    "site gave, or a pause that grows each time, is over",
    "overdue": "its last answer was not there before the deadline; it is tried again by itself",
    "undelivered": "its last assignment was lost between coordinator and site; it is tried again "
    "by itself",
    "too_long": "its training of this run took longer than its site allows; start a run of fewer "
    "epochs, or raise FAIRWIND_SITE_MAX_TRAINING_S there and restart its worker; else it is tried "
    "again in an hour",
    "staggered": "it starts later in this hour, so that not all clients start at the same time",
    "paused": "its administrator paused it; to go on, at the site: fairwind site resume",
    "in_round": "it already takes part in this round",
    "gate_unknown": "the carbon intensity of its zone is unknown, and unknown is not clean",
    "over_budget": "what is left of the run's budget does not cover this round",
    "too_few": "fewer clients can train than the quorum",
    "policy_waits": "the policy waits for a better hour",
}
