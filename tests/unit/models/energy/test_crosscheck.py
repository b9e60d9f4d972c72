import importlib.util

import pytest
from click.testing import CliRunner

from common.extras import how_to_install
from models.energy.crosscheck import cross_check, main

_INSTALLED = importlib.util.find_spec("codecarbon") is not None


@pytest.mark.skipif(_INSTALLED, reason="codecarbon is installed")
def test_without_codecarbon_one_line_says_what_to_install():
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "Error: Nothing to compare with. Install codecarbon, " + how_to_install("codecarbon")
    ]


@pytest.mark.skipif(not _INSTALLED, reason="needs the extra codecarbon")
def test_our_model_and_codecarbons_agree():
    assert abs(cross_check(seconds=5.0, watts_per_core=4.0).difference) < 0.05
