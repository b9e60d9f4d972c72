"""Plots are small pictures of whole lines, with round numbers beside them."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from scheduler.report.plot import HEIGHT, WIDTH, Axis, Level, PlotLine, plot

figures = st.floats(-1e6, 1e6)


def drawn(*points: tuple[float, float], stepped: bool = False) -> str:
    return plot("t", [PlotLine("x", points, stepped)], Axis("across"), Axis("up"))


def test_a_line_of_one_point_is_not_drawn():
    assert drawn((1.0, 1.0)) == ""


def test_ticks_are_round_numbers():
    labels = re.findall(r'text-anchor="end">([^<]+)<', drawn((0.0, 0.0), (1.0, 38.0)))
    assert labels == ["0", "10", "20", "30"]


def test_names_are_escaped():
    svg = plot("<t>", [PlotLine("a<b", [(0, 0), (1, 1)])], Axis("&"), Axis("y"))
    assert "&lt;t&gt;" in svg
    assert "a&lt;b" in svg


def test_a_level_near_the_lines_is_drawn_and_one_far_above_is_named_at_the_edge():
    line = PlotLine("x", [(0.0, 0.0), (1.0, 10.0)])
    levels = [Level("budget 500", 500.0), Level("target 20", 20.0)]
    svg = plot("t", [line], Axis("across"), Axis("up"), levels=levels)
    assert svg.count('class="level"') == 1
    assert ">target 20</text>" in svg
    assert ">budget 500 (above this plot)</text>" in svg


@given(points=st.lists(st.tuples(figures, figures), min_size=2, max_size=20), stepped=st.booleans())
def test_whatever_is_drawn_is_well_formed_and_inside_the_picture(points, stepped):
    svg, _, _ = drawn(*points, stepped=stepped).partition('<ul class="legend">')
    line = next(path for path in ET.fromstring(svg) if "line" in path.get("class", ""))  # noqa: S314 - our own text
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", line.get("d", ""))]
    assert all(-1 <= n <= max(WIDTH, HEIGHT) + 1 for n in numbers)
