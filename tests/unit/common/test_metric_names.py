"""Which way a metric is better, by its name."""

from __future__ import annotations

import pytest

from common.metric_names import named_as_error, nearest_metric

LOWER = [
    "loss",
    "val_loss",
    "logloss",
    "log_loss",
    "logLoss",
    "LogLoss",
    "mae",
    "MAE",
    "val_RMSE",
    "rmse",
    "mse",
    "MSE",
    "nrmse",
    "nRMSE@10",
    "mape",
    "sMAPE",
    "mean_absolute_error",
    "error",
    "word-error-rate",
    "top1_error",
    "WER",
    "cer",
    "perplexity",
    "ppl",
    "brier",
    "brier_score",
    "cross_entropy",
    "nll",
    "negative_log_likelihood",
    "ece",
    "calibration_error",
    "false_positive_rate",
    "kl_divergence",
    "hausdorff_distance",
    "hd95",
    "hamming_loss",
    "crps",
    "rmsle",
    "bits_per_byte",
    "mae_24h",
    "test/mse",
]
HIGHER = [
    "accuracy",
    "auc",
    "roc_auc",
    "f1",
    "c_index",
    "r2",
    "dice",
    "precision",
    "recall",
    "mAP",
    "mean_average_precision",
    "iou",
    "bleu",
    "neg_log_loss",
    "neg_mean_absolute_error",
    "log_likelihood",
    "brier_skill_score",
    "error_reduction",
    "explained",
    "kappa",
    "mcc",
    "sensitivity",
    "ndcg",
    "psnr",
    "ssim",
    "lossless_share",
    "correlation",
]


@pytest.mark.parametrize("name", [*LOWER, "median absolute error"])
def test_names_of_errors_are_known(name):
    assert named_as_error(name)


@pytest.mark.parametrize("name", HIGHER)
def test_of_other_names_more_is_better(name):
    assert not named_as_error(name)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("acuracy", "accuracy"), ("ROC-AUC", "roc_auc"), ("Loss", "loss"), ("bleu", None), ("", None)],
)
def test_the_nearest_name_is_proposed(asked, meant):
    assert nearest_metric(asked, ["accuracy", "loss", "roc_auc"]) == meant
