"""The forecast benchmark as tables for people, in Markdown."""

from __future__ import annotations

import numpy as np

from benchmarks.forecast import CLEANEST_H, OURS, WINDOW_H, Measured, measure_zone
from benchmarks.forecast_data import Dataset, datasets
from scheduler.carbon.signals.weather import Floats

_COLUMNS = (
    "MAPE day 1, %", "day 2", "day 3", "day 4", "MAE day 1, g/kWh", "day 2", "gain", "80 % held",
)  # fmt: skip


def print_forecasts() -> None:
    """Measure every data set there is, and print each as it is done."""
    for data in datasets():
        zones = [measure_zone(data, zone) for zone in sorted(data.hours)]
        print("\n".join(_lines(data, zones)), flush=True)


def _lines(data: Dataset, zones: list[Measured]) -> list[str]:
    methods = list(zones[0].mape)
    apart = f"{methods[0]} / {' / '.join(methods[1:])}"
    return [
        f"\n{data.name}; {apart}\n",
        f"| zone | {' | '.join(_COLUMNS)} |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_line(zone) for zone in zones),
        "",
        *_summary(zones),
    ]


def _line(zone: Measured) -> str:
    mape = [_slashed(zone.mape, day, 100) for day in range(4)]
    mae = [_slashed(zone.mae_gco2eq_per_kwh, day, 1) for day in range(2)]
    gains = " / ".join(f"{gain:.2f}" for gain in zone.gain.values())
    return f"| {' | '.join([zone.zone, *mape, *mae, gains, f'{zone.covered.mean():.0%}'])} |"


def _slashed(errors: dict[str, Floats], day: int, times: float) -> str:
    return " / ".join(f"{days[day] * times:.1f}" for days in errors.values())


def _summary(zones: list[Measured]) -> list[str]:
    covered = np.mean([zone.covered for zone in zones], axis=0)
    fewest = min(zone.origins for zone in zones)
    held = ", ".join(f"{share:.0%}" for share in covered)
    share = np.mean([zone.profile_share for zone in zones])
    took_ms = np.median(np.concatenate([zone.ms for zone in zones]))
    lines = [
        *(_against(zones, name) for name in zones[0].mape if name != OURS),
        _gains(zones),
        f"Our 80 % interval held {held} of the truth on days 1 to 4.",
        f"Profile made {share:.0%} of our forecasts, persistence the others.",
        f"At least {fewest} forecasts a zone; one, of 96 hours, took {took_ms:.0f} ms.",
    ]
    return [f"- {line}" for line in lines]


def _gains(zones: list[Measured]) -> str:
    """Return what the forecasts are worth to whoever shifts work by them, as a sentence."""
    means = {n: float(np.nanmean([zone.gain[n] for zone in zones])) for n in zones[0].gain}
    listed = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    return (
        f"Gain, the share of the possible saving that the {CLEANEST_H} hours called cleanest of "
        f"the next {WINDOW_H} get, in the mean of zones: {listed}."
    )


def _against(zones: list[Measured], other: str) -> str:
    """Return how we compare to another method, as a sentence."""
    ours = np.array([zone.mape[OURS] for zone in zones])  # (zones, days)
    theirs = np.array([zone.mape[other] for zone in zones])
    wins = ", ".join(str(count) for count in (ours < theirs).sum(axis=0))
    ratio = ", ".join(f"{ratio:.2f}" for ratio in np.median(ours / theirs, axis=0))
    worse = [zone.zone for zone, lost in zip(zones, (ours >= theirs)[:, 0], strict=True) if lost]
    where = f"; not on day 1 in {', '.join(worse)}" if worse else ""
    return (
        f"Ours beats {other} in {wins} of {len(zones)} zones on days 1 to 4; the median of our "
        f"MAPE over its is {ratio}{where}."
    )
