"""The sentences of verdicts and of waiting rounds that need no figures."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "silent": "its worker is not running; start it at the site",
    "busy": "it still works on another assignment; it can be invited afterwards",
    "failing": "its last three assignments failed; read the site's log and restart its worker",
    "failed": "its training failed in this round; read the site's log and restart its worker",
    "declined": "it declined; it is invited again when this hour of the grid, or the time that its "
    "site gave, is over",
    "too_long": "its training of this run took longer than its site allows; start a run of fewer "
    "epochs, or raise FAIRWIND_SITE_MAX_TRAINING_S there and restart its worker",
    "paused": "its administrator paused it; to go on, at the site: fairwind site resume",
    "in_round": "it already takes part in this round",
    "gate_unknown": "the carbon intensity of its zone is unknown, and unknown is not clean",
    "over_budget": "what is left of the run's budget does not cover this round",
    "too_few": "fewer clients can train than the quorum",
    "policy_waits": "the policy waits for a better hour",
}
