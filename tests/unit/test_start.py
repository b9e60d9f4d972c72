"""How `fairwind` and `celery` start where a user's packages have names of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def run(folder: Path, program: str, *, options: tuple[str, ...] = ()) -> tuple[int, str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}:{PROJECT}"}
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["common", "models", "scheduler", "simulation", "tasks"])
@pytest.mark.parametrize("argv", [["fairwind", "check"], ["celery", "-A", "tasks", "worker"]])
def test_a_package_that_hides_ours_is_named_in_one_line(
    name: str, argv: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    # without site-packages, as an editable install would find ours all the same
    status, output = run(
        tmp_path, f"import sys; sys.argv = {argv}; import fairwind_start", options=("-S",)
    )
    assert status == 2
    assert output == (
        f"fairwind: {tmp_path / name} hides Fairwind's own package {name}, so nothing can start. "
        f"Rename it, put it inside a package of your own (my_project/{name}), or keep {tmp_path} "
        "off Python's search path: PYTHONPATH, or python -m in it.\n"
    )


def test_celery_of_another_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "common.py").touch()
    program = "import sys; sys.argv = ['celery', '-A', 'shop', 'worker']; import fairwind_start"
    status, output = run(tmp_path, program, options=("-S",))
    assert (status, "ImportError: " in output) == (1, True)


def test_celeryconfig_of_the_current_folder_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "celeryconfig.py").write_text("broker_url = 'redis://elsewhere'\n")
    (tmp_path / "flowerconfig.py").touch()
    status, output = run(
        tmp_path,
        "import os; from celery.app.utils import find_app; app = find_app('tasks')\n"
        "print(app.conf.task_ignore_result, app.conf.broker_url, os.environ['FLOWER_CONF'])",
    )
    assert status == 0, output
    assert output.split()[::2] == ["True", str(PROJECT / "flowerconfig.py")]
    assert "elsewhere" not in output
