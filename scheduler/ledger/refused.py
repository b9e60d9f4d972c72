"""What does not go together in a run: one table of refused combinations, and what would fit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

Feature = Literal[
    "sync", "async", "no buffer", "buffer", "concurrency", "concurrency below buffer", "bias",
    "bias memory", "bias running", "bias realised", "cohort", "over_selection", "cron", "late",
    "fednova", "scaffold", "adam", "adamw", "own optimizer", "own loader", "own loop",
    "proximal overshoot",
    "fp16", "bf16", "accumulate", "drop-last", "clip-norm", "proximal-mu",
    "float32", "error feedback", "topk", "personal", "ditto",
    "evaluate coordinator", "evaluate both", "evaluate sites", "robust",
    "record", "utility policy", "unequal weights", "noise multiplier", "not private",
]  # fmt: skip
"""What a run asks for: an option that is given, a choice, or what follows from several.

``late`` is ``--late count``. ``own optimizer``, ``own loader`` and ``own loop`` are known once the
workload is loaded. ``proximal overshoot`` is a proximal mu of 1 / learning rate or more.
``record`` is ``--privacy record``; with a ``utility policy`` training losses decide who is invited.
"""


class Refused(NamedTuple):
    """A run with one feature and any of some others is refused.

    Attributes:
        feature: The one.
        others: The others; `{other}` in the text is the first of them that the run has.
        why: Why they do not go together.
        fits: What would.
    """

    feature: Feature
    others: tuple[Feature, ...]
    why: str
    fits: str


_COUNTS_OLDER = "leave out --mode async and --late count, or choose --algorithm fedavg"
_PLAIN_SGD = "choose --optimizer sgd, or --algorithm fedavg"
_NO_OWN = "remove the function optimizer from the workload, or choose --algorithm fedavg"
_TYPED: dict[Feature, str] = {
    "async": "--mode async", "late": "--late count",
    "buffer": "--buffer", "concurrency": "--concurrency", "bias": "--bias", "cohort": "--cohort",
    "over_selection": "--over-selection", "cron": "--cron", "fednova": "--algorithm fednova",
    "scaffold": "--algorithm scaffold", "accumulate": "--accumulate", "drop-last": "--drop-last",
    "clip-norm": "--clip-norm", "proximal-mu": "--proximal-mu", "ditto": "--ditto",
    "fp16": "--precision fp16", "bf16": "--precision bf16",
    "bias running": "--bias running", "bias realised": "--bias realised",
    "personal": "--personal", "evaluate sites": "--evaluate sites",
    "evaluate both": "--evaluate both",
}  # fmt: skip
"""Features that the text names as they are typed on the command line."""

REFUSED = (
    Refused(
        "sync", ("buffer", "concurrency", "bias"),
        "{other} belongs to asynchronous runs, and this one waits for its cohort",
        "add --mode async, or leave it out",
    ),
    Refused(
        "async", ("cohort", "over_selection", "cron"),
        "{other} belongs to synchronous rounds, and an asynchronous run has none",
        "leave it out, or leave out --mode async",
    ),
    Refused(
        "async", ("no buffer",),
        "an asynchronous run needs to know how many updates make a version", "give --buffer",
    ),
    Refused(
        "async", ("concurrency below buffer",),
        "a concurrency below the buffer lets few clients train at once",
        "give --concurrency at least as many as --buffer, or a smaller buffer",
    ),
    Refused(
        "async", ("late",),
        "--late count belongs to synchronous rounds, and an asynchronous run counts old updates "
        "anyway",
        "leave it out, and set --max-staleness",
    ),
    Refused(
        "bias running", ("async", "late", "scaffold"),
        "bias running compares what whole rounds weigh, and {other} weighs updates its own way",
        "leave out --bias running",
    ),
    Refused(
        "bias realised", ("async", "late", "scaffold"),
        "bias realised compares what whole rounds weigh, and {other} weighs updates its own way",
        "leave out --bias realised",
    ),
    Refused(
        "error feedback", ("float32",),
        "error feedback keeps what encoding loses, and float32 loses nothing",
        "choose another --update, or leave out --error-feedback",
    ),
    Refused(
        "error feedback", ("bias memory",),
        "bias memory counts the latest update of each client alone, and error feedback sends one "
        "update in several", "choose --update mxint8, or another --bias",
    ),
    Refused(
        "fednova", ("adam", "adamw"),
        "fednova divides each update by its steps, and those of {other} have no common length",
        _PLAIN_SGD,
    ),
    Refused(
        "fednova", ("own optimizer",),
        "fednova divides each update by its steps, and those of the workload's own optimizer have "
        "no known length", _NO_OWN,
    ),
    Refused(
        "fednova", ("fp16",),
        "fednova counts on the steps that a run asks for, and in fp16 a site may skip some",
        "choose --precision bf16, or --algorithm fedavg",
    ),
    Refused(
        "fednova", ("own loader",),
        "fednova checks the steps of each update against its examples, and the workload's own "
        "loader decides on its steps itself",
        "write collate in place of loader, or choose --algorithm fedavg",
    ),
    Refused(
        "own loader", ("drop-last",),
        "the workload's own loader decides on its batches, so --drop-last would have no effect",
        "leave it out, and let the loader drop what it should",
    ),
    Refused(
        "fednova", ("proximal overshoot",),
        "fednova needs a proximal mu below 1 / learning rate, or a step overshoots",
        "lower --proximal-mu or --learning-rate",
    ),
    Refused(
        "fednova", ("async", "late"),
        "fednova weighs the updates of one round, and this run counts older ones, too",
        _COUNTS_OLDER,
    ),
    Refused(
        "scaffold", ("adam", "adamw"),
        "scaffold finds a site's mean gradient from its update, and the steps of {other} do not "
        "show it", _PLAIN_SGD,
    ),
    Refused(
        "scaffold", ("own optimizer",),
        "scaffold finds a site's mean gradient from its update, and the steps of the workload's "
        "own optimizer do not show it", _NO_OWN,
    ),
    Refused(
        "scaffold", ("fp16",),
        "scaffold counts on the steps that a run asks for, and in fp16 a site may skip some",
        "choose --precision bf16, or --algorithm fedavg",
    ),
    Refused(
        "scaffold", ("own loader",),
        "scaffold checks the steps of each update against its examples, and the workload's own "
        "loader decides on its steps itself",
        "write collate in place of loader, or choose --algorithm fedavg",
    ),
    Refused(
        "scaffold", ("proximal overshoot",),
        "scaffold needs a proximal mu plus weight decay below 1 / learning rate, or a step "
        "overshoots", "lower --proximal-mu, --weight-decay or --learning-rate",
    ),
    Refused(
        "scaffold", ("async", "late"),
        "scaffold corrects all sites of a round by the same control variates, and this run counts "
        "updates of older rounds, too", _COUNTS_OLDER,
    ),
    Refused(
        "scaffold", ("topk", "error feedback"),
        "scaffold finds a site's mean gradient from its update, and with {other} most of that "
        "comes in later rounds", "choose --update mxint8 without --error-feedback, or "
        "--algorithm fedavg",
    ),
    Refused(
        "own loop",
        ("fednova", "scaffold", "accumulate", "drop-last", "clip-norm", "proximal-mu", "ditto",
         "fp16", "bf16"),
        "the workload trains with its own loop, in which {other} would have no effect",
        "leave it out, or remove the function train from the workload",
    ),
    Refused(
        "personal", ("topk",),
        "topk sends in later rounds what it left out, beside personal layers that have changed "
        "since", "choose --update mxint8, or leave out --personal",
    ),
    Refused(
        "personal", ("ditto",),
        "personal layers and Ditto both give each site a model of its own",
        "choose --personal or --ditto",
    ),
    Refused(
        "personal", ("evaluate coordinator", "evaluate both"),
        "the coordinator has no personal layers, so it cannot evaluate a model that a site uses",
        "leave out --evaluate, and the sites do",
    ),
    Refused(
        "ditto", ("evaluate coordinator",),
        "the coordinator does not have the sites' own models, so nobody would evaluate them",
        "leave out --evaluate, or choose both to have the global model evaluated as well",
    ),
    Refused(
        "robust", ("async", "late"),
        "a robust rule compares updates that were trained from one version, and this run counts "
        "updates of older ones, too", "leave out --mode async and --late count, or --robust",
    ),
    Refused(
        "robust", ("bias running", "bias realised"),
        "a robust rule counts all updates alike, and {other} weighs them",
        "leave out --bias or --robust",
    ),
    Refused(
        "robust", ("fednova", "scaffold"),
        "a robust rule counts all updates alike and whole, and {other} weighs them, or lets each "
        "of them move the control variates", "choose --algorithm fedavg, or leave out --robust",
    ),
    Refused(
        "robust", ("topk", "error feedback"),
        "a robust rule compares whole updates, and with {other} one update comes in several "
        "rounds", "choose --update mxint8 without --error-feedback, or leave out --robust",
    ),
    Refused(
        "record", ("fednova", "scaffold"),
        "with record privacy all updates weigh alike, and {other} makes something else of their "
        "number of examples", "choose --algorithm fedavg, or leave out --privacy record",
    ),
    Refused(
        "record", ("unequal weights",),
        "with record privacy all updates weigh alike, as a site's number of examples says "
        "something of its records", "leave out --weight-cap, or leave out --privacy record",
    ),
    Refused(
        "record", ("evaluate sites", "evaluate both", "personal", "ditto"),
        "with record privacy no figure of a site's data leaves it, and {other} needs the "
        "sites' metrics",
        "leave it out and give the workload test_data, or leave out --privacy record",
    ),
    Refused(
        "record", ("utility policy",),
        "with record privacy no training loss leaves a site, and this policy chooses clients by it",
        "choose --policy fairwind or another one, or leave out --privacy record",
    ),
    Refused(
        "record", ("accumulate", "drop-last", "own loader"),
        "with record privacy each record is in a batch by chance, and {other} decides on batches "
        "in another way", "leave it out, or leave out --privacy record",
    ),
    Refused(
        "record", ("fp16", "bf16"),
        "record privacy adds its noise to gradients in float32, and {other} rounds them before",
        "choose --precision fp32, or leave out --privacy record",
    ),
    Refused(
        "record", ("own loop",),
        "the workload trains with its own loop, in which no noise would be added",
        "remove the function train from the workload, or leave out --privacy record",
    ),
    Refused(
        "noise multiplier", ("not private",),
        "a noise multiplier needs noise, and this run adds none",
        "add --privacy record, or leave out --noise-multiplier",
    ),
)  # fmt: skip
"""Read a line as: *feature* does not go with any of *others*, because *why*; *fits* would."""


def refusal(features: Collection[Feature]) -> str | None:
    """Return why a run with these features is refused and what would fit; `None` if it is not.

    >>> refusal({"async", "no buffer"})
    'an asynchronous run needs to know how many updates make a version: give --buffer'
    >>> refusal({"async", "buffer"}) is None
    True
    """
    for line in REFUSED:
        other = next((each for each in line.others if each in features), None)
        if line.feature in features and other is not None:
            return f"{line.why.replace('{other}', _TYPED.get(other, other))}: {line.fits}"
    return None
