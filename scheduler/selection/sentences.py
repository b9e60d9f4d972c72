"""The sentences of verdicts and of waiting rounds that need no figures."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "silent": "its worker is not running; start it at the site",
    "busy": "it still works on another assignment; it can be invited afterwards",
    "failing": "its last three assignments failed; read the site's log and restart its worker",
    "failed": "its training failed in this round; read the site's log and restart its worker",
    "declined": "it declined; it can be invited again when this hour of the grid is over",
    "in_round": "it already takes part in this round",
    "gate_unknown": "the carbon intensity of its zone is unknown, and unknown is not clean",
    "over_budget": "what is left of the run's budget does not cover this round",
    "too_few": "fewer clients can train than the quorum",
    "policy_waits": "the policy waits for a better hour",
}
