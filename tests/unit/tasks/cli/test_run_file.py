"""A run in a file: the command line wins over it, faults name it, a printed run starts again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given as for_all
from hypothesis import strategies as st

from common.errors import SettingError
from common.hyperparameters import Hyperparameters
from scheduler.ledger.run_spec import RunSpec, ServerOptimizerSpec
from tasks.cli.options import ENTRIES, FLAGS, given, run_options
from tasks.cli.run_file import change, make_spec, named, read_run
from tasks.cli.run_toml import to_toml

PROJECT = Path(__file__).parents[4]
EXAMPLE = PROJECT / "examples" / "heart" / "run.toml"


def options(*words: str) -> dict[str, Any]:
    """Return what `run start` takes from these words of a command line."""
    found = {}

    @click.command()
    @run_options
    @click.pass_context
    def command(context, /, **_):
        found.update(given(context))

    done = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return found


def spec(path: Path | None, *words: str, **more: str) -> RunSpec:
    chosen = options(*words) | more
    asked = named(change(read_run(path) if path else {}, chosen), ())
    return make_spec(asked, file=path, given=chosen)


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "run.toml"
        path.write_text(text, "utf-8")
        return path

    return write_file


def refused(path: Path | None, *words: str, **more: str) -> str:
    with pytest.raises(SettingError) as caught:
        spec(path, *words, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_field_of_a_run_has_an_option_or_is_the_workload():
    assert {path.partition(".")[0] for path in FLAGS} == set(RunSpec.model_fields) - {"workload"}
    for table, model in (
        ("hyperparameters", Hyperparameters), ("server_optimizer", ServerOptimizerSpec),
    ):  # fmt: skip
        named = {path.partition(".")[2] for path in FLAGS if path.startswith(f"{table}.")}
        # A policy alone asks for a part of an epoch.
        assert named == set(model.model_fields) - {"last_epoch"}
    assert len({entry.flag for entry in ENTRIES}) == len(ENTRIES)


def test_durations_of_a_file_may_say_their_units(write):
    path = write('workload = "digits"\nhours = "2d"\ndeadline_s = "1h30"\n')
    assert (spec(path).hours, spec(path).deadline_s) == (48.0, 5400.0)
    assert spec(path, "--hours", "90min").hours == 1.5
    assert spec(write('workload = "digits"\nhours = 2.5\n')).hours == 2.5


@pytest.mark.parametrize("entry", ["hours", "deadline_s"])
def test_what_is_no_duration_in_a_file_is_refused(entry, write):
    path = write(f'workload = "digits"\nrounds = 1\n{entry} = "soon"\n')
    assert refused(path) == (
        f"{path}: {entry} does not fit: 'soon' is no duration. Write it as 2d, 48h, 90min, 1h30 "
        "or 45s. No run was started."
    )


def test_the_example_says_what_the_command_on_the_page_says():
    page = (PROJECT / "docs" / "workload.md").read_text("utf-8")
    (line,) = re.findall(r"^fairwind run start heart (.*)$", page, re.MULTILINE)
    assert spec(EXAMPLE) == spec(None, *line.split(), workload="heart")
    assert EXAMPLE.read_text("utf-8") in page


def test_a_file_may_hold_every_field(write):
    path = write(
        """
        workload = "digits"
        policy = "threshold"
        cron = "0 22 * * *"
        grams = 5
        cohort = 4
        [policy_options]
        threshold_gco2eq_per_kwh = 150
        [server_optimizer]
        name = "fedadam"
        options = {learning_rate = 0.01}
        [hyperparameters]
        optimizer = "adamw"
        """
    )
    made = spec(path)
    assert (made.workload, made.policy, made.cron, made.grams) == (
        "digits", "threshold", "0 22 * * *", 5.0,
    )  # fmt: skip
    assert made.policy_options == {"threshold_gco2eq_per_kwh": 150.0}
    assert made.server_optimizer.options == {"learning_rate": 0.01}
    assert made.hyperparameters.optimizer == "adamw"


@pytest.mark.parametrize(
    ("workload", "taken", "name"),
    [
        ("digits", (), "digits-1"),
        ("digits", ("digits-1", "digits-2"), "digits-3"),
        ("package.heart:workload", (), "package.heart-workload-1"),
        ("w" * 80, (), f"{'w' * 58}-1"),
        ("../x", (), "x-1"),
    ],
)
def test_a_run_is_named_after_its_workload(workload, taken, name):
    assert named({"workload": workload}, taken)["id"] == name


def test_the_command_line_wins_over_the_file_even_with_a_default(write):
    path = write("workload = 'digits'\nrounds = 9\nquorum = 3\n[hyperparameters]\nepochs = 7")
    made = spec(path, "--rounds=2", "--quorum=2", "--epochs=1", workload="heart")
    assert (made.rounds, made.quorum, made.hyperparameters.epochs) == (2, 2, 1)
    assert made.workload == "heart"


def test_options_of_a_choice_add_up_but_those_of_another_choice_are_dropped(write):
    path = write(
        """
        workload = "digits"
        rounds = 1
        [server_optimizer]
        name = "fedadam"
        options = {learning_rate = 0.01, beta_1 = 0.8}
        """
    )
    made = spec(path, "--server-option=beta_1=0.7")
    assert made.server_optimizer.options == {"learning_rate": 0.01, "beta_1": 0.7}
    other = spec(path, "--server-optimizer=fedavg")
    assert other.server_optimizer == ServerOptimizerSpec(name="fedavg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rounds = 0", "rounds does not fit: Input should be greater than or equal to 1"),
        ("rounds = true", "rounds does not fit: Input should be a valid integer"),
        ("rounds = '3'", "rounds does not fit: Input should be a valid integer"),
        ("grams = inf", "grams does not fit: Input should be a finite number"),
        ("rounds = 1\nquorums = 2", ("quorums does not fit: there is no such entry; did you mean "
                                    "quorum?")),
        ("rounds = 1\n[hyperparameters]\nepoch = 2",
         "hyperparameters.epoch does not fit: there is no such entry; did you mean epochs?"),
        ("rounds = 1\nepochs = 2", ("epochs does not fit: there is no such entry; epochs stands "
                                    "under [hyperparameters]")),
        ("rounds = 1\nxyzzy = 2", "xyzzy does not fit: there is no such entry"),
        ("rounds = 1\ncron = 'tomorrow'", ("cron does not fit: 'tomorrow' never comes due: give "
                                          'five cron fields, e.g. "0 22 * * *"')),
    ],
)  # fmt: skip
def test_a_fault_names_the_file_and_the_entry(write, text, said):
    path = write(f"workload = 'digits'\n{text}")
    assert refused(path).startswith(f"{path}: {said}")
    assert refused(path).endswith(" No run was started.")


def test_a_fault_of_an_option_names_the_option(write):
    path = write("workload = 'digits'\nrounds = 1")
    assert refused(path, "--deadline=-1").startswith("--deadline does not fit: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server-option=learning_rat=1"], ("--server-option does not fit: fedavg has no option "
         "'learning_rat': did you mean learning_rate? No run was started.")),
        (["--server-optimizer=fedadam", "--server-option=beta_1=2"],
         ("--server-option does not fit: beta_1=2 does not fit fedadam: give a value that is at "
          "least 0 and below 1. No run was started.")),
        (["--server-optimizer=fedadm"], ("--server-optimizer does not fit: 'fedadm' is unknown: "
                                         "did you mean fedadam? No run was started.")),
        (["--policy=os:system"], ("The policy 'os:system' belongs to Python itself, so no run was "
         "started. Write it as module:function")),
    ],
)  # fmt: skip
def test_what_was_chosen_wrongly_is_refused_at_the_start(words, said):
    assert refused(None, "--rounds=1", *words, workload="digits").startswith(said)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("../x", "'../x' names no workload: give one that ships (digits, "),
        ("examples/heart.py", "'examples/heart.py' is a file: name its module, heart."),
    ],
)
def test_a_text_that_names_no_workload_is_refused_as_such(workload, said):
    assert refused(None, "--rounds=1", workload=workload).startswith(
        f"WORKLOAD does not fit: {said}"
    )


def test_an_entry_that_does_not_exist_is_named_before_what_is_missing_because_of_it(write):
    path = write("workload = 'digits'\nrouds = 3")
    assert refused(path) == (
        f"{path}: rouds does not fit: there is no such entry; did you mean rounds? No run was "
        "started."
    )


def test_a_fault_of_the_whole_names_the_file(write):
    path = write("workload = 'digits'\nrounds = 1\ncohort = 2\nquorum = 3")
    assert refused(path).startswith(f"The run in {path} does not fit: the quorum of 3 is larger")


def test_a_run_must_know_when_to_end(write):
    assert "give --rounds, --hours or --grams" in refused(write("workload = 'digits'"))


@pytest.mark.parametrize("text", ["rounds = ", "\xff"])
def test_what_is_no_toml_is_refused(write, text):
    path = write("")
    path.write_bytes(text.encode("latin-1"))
    assert refused(path).startswith(f"The run file {path} is not TOML (")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "none.toml"
    assert refused(path) == (
        f"The run file {path} cannot be read (No such file or directory), so no run was started. "
        "Correct it."
    )


WORKLOADS = st.from_regex(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?", fullmatch=True).filter(
    lambda name: not name.endswith(".py")
)


@for_all(
    asked=st.fixed_dictionaries(
        {"rounds": st.integers(1, 999), "workload": WORKLOADS, "metric": st.text()},
        optional={
            "hours": st.floats(1e-9, 1e4),
            "grams": st.floats(1e-9, 1e300),
            "norm_bound": st.floats(1e-300, 1e300),
            "cron": st.sampled_from(["0 22 * * *", "*/5 1-5 * * MON"]),
            "policy_options": st.dictionaries(st.text(), st.floats(-1e9, 1e9)),
            "seed": st.integers(0, 2**31 - 1),
        },
    )
)
def test_a_printed_run_reads_back_as_the_same_run(asked, tmp_path_factory):
    before = RunSpec(id="r", **asked)
    path = tmp_path_factory.mktemp("run") / "run.toml"
    path.write_text(to_toml(before), "utf-8", newline="")
    assert RunSpec(id="r", **read_run(path)) == before
