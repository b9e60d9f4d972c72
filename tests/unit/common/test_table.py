"""Tables fit the terminal, and colours follow the environment."""

import pytest

from common.command_line.colour import wants_colour
from common.command_line.table import table_lines

HEADER = ["client", "why"]
ROWS = [["lyon", "closed: above the threshold of 200 gCO2eq/kWh for 3 h"], ["oslo", ""]]


def test_what_is_piped_is_not_wrapped():
    assert list(table_lines(HEADER, ROWS, width=None)) == [
        "client  why",
        "lyon    closed: above the threshold of 200 gCO2eq/kWh for 3 h",
        "oslo",
    ]


def test_a_narrow_terminal_wraps_the_widest_column():
    lines = list(table_lines(HEADER, ROWS, width=36))
    assert max(map(len, lines)) <= 36
    assert lines == [
        "client  why",
        "lyon    closed: above the threshold",
        "        of 200 gCO2eq/kWh for 3 h",
        "oslo",
    ]


def test_no_column_becomes_narrower_than_its_header():
    lines = list(table_lines(["gCO2eq/kWh now", "b"], [["1" * 40, "2" * 40]], width=8))
    assert lines[0] == "gCO2eq/kWh now  b"
    assert max(map(len, lines)) == 14 + 2 + 10


@pytest.mark.parametrize(
    ("env", "colour"),
    [
        ({}, None), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1"}, True), ({"CLICOLOR_FORCE": "0"}, None),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)  # fmt: skip
def test_the_environment_decides_on_colours(env, colour):
    assert wants_colour(env) is colour
