"""Names of metrics: which way a metric is better, by its name, and which name may be meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

_ERRORS = frozenset(
    {
        "loss", "error", "err", "mae", "mse", "rmse", "msle", "rmsle", "mape", "smape", "wape",
        "wmape", "mase", "rae", "rse", "medae", "nll", "nlpd", "crps", "perplexity", "ppl", "bpb",
        "bpc", "bpd", "wer", "cer", "eer", "fid", "kid", "lpips", "brier", "ece", "mce", "bce",
        "entropy", "crossentropy", "deviance", "divergence", "kl", "kld", "hamming", "hausdorff",
        "hd", "assd", "fpr", "fnr", "fdr", "frr", "regret", "cost", "distance", "emd", "epe",
    }
)  # fmt: skip
"""Words that name something of which less is better, wherever they stand in a name."""

_PHRASES = (
    "false positive", "false negative", "false alarm", "false discovery", "false omission",
    "miss rate", "bits per",
)  # fmt: skip
"""The same in more than one word."""

_TURNED = frozenset({"neg", "negative", "negated", "skill", "reduction", "improvement", "free"})
"""Words that turn it round: more of ``neg_log_loss`` is better, as scikit-learn names it."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+")


def named_as_error(metric: str) -> bool:
    """Return whether a metric's name says that less of it is better.

    >>> [named_as_error(name) for name in ("loss", "val_RMSE", "word-error-rate", "logLoss")]
    [True, True, True, True]
    >>> [named_as_error(name) for name in ("accuracy", "neg_log_loss", "brier_skill_score")]
    [False, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(metric)]
    if "likelihood" in words:
        return bool({"neg", "negative"} & set(words))
    text = " ".join(words)
    if any(phrase in text for phrase in _PHRASES):
        return True
    return not _TURNED & set(words) and any(map(_is_error, words))


def _is_error(word: str) -> bool:
    bare = word.rstrip("0123456789")
    return (
        word in _ERRORS or bare in _ERRORS or bare.endswith(("loss", "error", "mse", "mae", "mape"))
    )


def nearest_metric(name: str, reported: Collection[str]) -> str | None:
    """Return the reported name that looks most like `name`, or `None` if none does.

    >>> nearest_metric("ROC-AUC", {"roc_auc", "accuracy"})
    'roc_auc'
    """
    plain = {_plain(each): each for each in sorted(reported)}
    found = difflib.get_close_matches(_plain(name), plain, n=1)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold() or name
