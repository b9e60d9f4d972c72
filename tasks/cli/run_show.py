"""The command `run show`: a run's rounds, its figures, where its models are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import echo, echo_lines
from common.command_line.table import print_table
from common.units import show_duration, show_mass
from scheduler.federation.applied_weight import AppliedWeight, applied_weight, shares
from scheduler.federation.left_out import kept_shares, kept_text, left_out, rule_text
from scheduler.federation.record_privacy import privacy_of
from scheduler.federation.run import Run
from scheduler.federation.stayed import stayed
from scheduler.status.exports import LAST
from scheduler.status.scores import reported
from scheduler.status.sites import site_rows
from tasks.cli.base import current_view, ledger_to_read
from tasks.cli.chosen import chosen_run
from tasks.cli.completion import complete_run
from tasks.cli.figures import show_reported, show_value
from tasks.cli.run_privacy import print_privacy
from tasks.cli.run_toml import to_toml
from tasks.cli.status import print_status

_SHOWN_PROBLEMS = 10
_SHOWN_SHARES = 12
_HASH = 12
"""Characters of a hash that are shown."""


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_run)
@click.option("--toml", "as_toml", is_flag=True, help="Print it as a file for `run start --file`.")
@click.option("--sites", is_flag=True, help="Also what each site found of each version.")
@click.option("--privacy", is_flag=True, help="Also what each site's records have spent.")
@as_json
def show(run_id: str | None, *, as_toml: bool, sites: bool, privacy: bool, as_json: bool) -> None:
    """Show RUN, or the newest run: its rounds, its figures, what failed, where its model is."""
    ledger = ledger_to_read()
    state = ledger.state()
    current = chosen_run(state, run_id)
    if as_toml:
        echo_lines(to_toml(current.spec), nl=False)
        return
    seen = current_view(state, current.id)
    answers = (
        site_rows(lambda kind, limit: ledger.newest(kind, current.id, limit=limit)) if sites else []
    )
    if as_json:
        spec = current.spec.model_dump(mode="json")
        shown = {name: seen[name] for name in ("verdict", "explanation", "run", "rounds")}
        applied = applied_weight(current, state.clients)
        shown["run"] |= {
            "shares": shares(current),
            "applied_weight": None if applied is None else asdict(applied),
            "kept": kept_shares(current),
            "left_out": [asdict(each) for each in left_out(current)],
            "privacy": privacy_of(current),
        }
        print_json({"spec": spec, **shown, **({"sites": answers} if sites else {})})
        return
    if run_id is None:
        echo(f"Run          {current.id}")
    print_status(seen, of_other_runs=False)
    if current.spec.options:
        pairs = ", ".join(map(_pair, sorted(current.spec.options.items())))
        echo(f"Options      {pairs}")
    if kept := stayed(current):
        echo(f"At sites     {kept}")
    if current.spec.init_from is not None:
        echo(f"Began from   model {current.spec.init_from[:_HASH]}")
    _print_rounds(seen["rounds"], current)
    _print_shares(shares(current) if current.spec.is_async else {})
    _print_weight(current, applied_weight(current, state.clients))
    _print_robust(current)
    if privacy:
        print_privacy(current)
    if sites:
        _print_sites(answers, current.spec.metric)
    _print_problems(seen["run"]["problems"])
    if seen["run"]["model"]:
        echo(f"Models       {seen['run']['model']}, {LAST} beside it")


def _pair(option: tuple[str, bool | float | str]) -> str:
    """Return an option as it stands on a command line."""
    name, value = option
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"


def _print_rounds(rounds: list[dict[str, Any]], run: Run) -> None:
    """Print a run's rounds; what its first version was worth stands as round 0."""
    metric, first = run.spec.metric, run.first_evaluation
    begun = rounds and rounds[0]["round"] == 1
    stale = ["staleness"] if run.spec.carries else []
    print_table(
        ["round", metric, "emitted", "run now", "took", *stale, "clients"],
        [
            [
                "0", _score(metric, first.metrics.get(metric), reported(first, metric)),
                *[""] * (4 + len(stale)),
            ]
            for first in [first] if first is not None and begun
        ] + [
            [
                str(r["round"]), _score(metric, r["value"], r["reported"]), show_mass(r["gco2eq"]),
                "unknown" if r["baseline_gco2eq"] is None else show_mass(r["baseline_gco2eq"]),
                show_duration(r["wall_s"]), *(f"{r['staleness']:.1f}" for _ in stale),
                ", ".join(r["cohort"]),
            ]
            for r in rounds
            if r["ended"]
        ],
    )  # fmt: skip


def _print_weight(run: Run, applied: AppliedWeight | None) -> None:
    """Print how evenly examples weigh, where the run divides by the total of a day."""
    if not run.spec.divides_by_day or not run.closed:
        return
    if applied is None:
        echo("Weight       unknown: not every client was enrolled with --examples")
    else:
        off = 100 * applied.total_variation
        echo(
            f"Weight       Jain {applied.jain:.2f} by example, {off:.0f} % with other clients than "
            "the examples"
        )


def _print_robust(run: Run) -> None:
    """Print by which robust rule updates are combined, and whom it leaves out."""
    if (rule := rule_text(run)) is None:
        return
    echo(f"Robust       {rule}")
    if kept := kept_text(run):
        echo(f"Kept         {kept} of an equal weight")
    for each in left_out(run):
        echo(f"Left out     {each.sentence}")


def _print_shares(shares: dict[str, float]) -> None:
    """Print whose updates make the model: in an asynchronous run, the fast ones are more."""
    shown = [
        f"{client} {100 * share:.0f} %" for client, share in list(shares.items())[:_SHOWN_SHARES]
    ]
    more = [f"{len(shares) - len(shown)} more"] if len(shares) > len(shown) else []
    if shown:
        echo(f"Shares       {', '.join(shown + more)}")


def _score(metric: str, value: float | None, by: dict[str, int] | None) -> str:
    return f"{show_value(metric, value)}{show_reported(by)}"


def _print_sites(answers: list[dict[str, Any]], metric: str) -> None:
    """Print what each site found of each version, and its loss as it trained from it."""
    found = {name for row in answers for name in row["metrics"]}
    names = sorted(found, key=lambda name: (name != metric, name))
    print_table(
        ["version", "site", "evaluated on", *names, "trained on", "training loss"],
        [
            [
                str(row["version"]), row["client"], str(row["held_out_examples"] or "-"),
                *(_at_site(row, name) for name in names), *_trained(row),
            ]
            for row in answers
        ],
    )  # fmt: skip
    if not names:
        echo("No site evaluates this run: the coordinator does, on its own test data.")


def _at_site(row: dict[str, Any], name: str) -> str:
    if name not in row["metrics"]:
        return "not reported" if row["held_out_examples"] else "-"
    return show_value(name, row["metrics"][name])


def _trained(row: dict[str, Any]) -> tuple[str, str]:
    if not row["examples"]:
        return "-", "-"
    return str(row["examples"]), show_value("loss", row["training_loss"])


def _print_problems(problems: list[dict[str, Any]]) -> None:
    """Print what went wrong at the clients, the most troubled ones first."""
    for n, problem in enumerate(problems[:_SHOWN_PROBLEMS]):
        echo(f"{'' if n else 'No update':<12} {problem['sentence']}.")
    if len(problems) > _SHOWN_PROBLEMS:
        more = len(problems) - _SHOWN_PROBLEMS
        echo(f"{'':<12} and of {more} more: --json has them")
