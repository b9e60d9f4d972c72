"""No screen prints a character that steers a terminal, hides, or turns the reading direction."""

from __future__ import annotations

import csv
import io
import json
import logging
import unicodedata

import click
import pytest
import structlog
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from common import log
from common.command_line.lazy_group import LazyGroup, Verb
from common.command_line.output import print_json, print_json_line
from common.command_line.screen import Styled, echo, echo_lines, rewrite_line
from common.command_line.table import table_lines
from common.csv_cell import csv_cell
from common.errors import FederationError
from common.visible import escaped_json, visible, visible_in, visible_json, visible_lines

STEERING = [
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x9b31m", "\r\nError: forged", "\x7f", "\x85", "\u2028",
    "\u202egnp.exe", "\u2066x\u2069", "pay\u200bpal", "\ufeff", "\xad", "\U000e0041", "\ud83d",
]  # fmt: skip

TEXTS = st.text(max_size=40) | st.sampled_from(STEERING) | st.lists(
    st.sampled_from(STEERING) | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
).map("".join)  # fmt: skip


def unseen_in(text: str, *, but: str = "") -> list[str]:
    """Return the characters that Unicode calls controls, formats, separators or halves."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    # Arabic and other signs of numbers are formats that are seen.
    seen = {chr(n) for n in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD)}
    seen |= {chr(n) for n in (0x110CD, *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4))}
    return [
        each for each in text if unicodedata.category(each) in kinds and each not in {*but, *seen}
    ]


@given(TEXTS)
def test_visible_text_has_no_unseen_character_and_keeps_all_others(text: str) -> None:
    shown = visible(text)
    assert unseen_in(shown) == []
    assert unseen_in(visible_lines(text), but="\n") == []
    assert visible(shown) == shown
    if not unseen_in(text):
        assert all(each in shown for each in text if each.isalnum() and each.isascii())


@given(TEXTS)
def test_json_is_the_same_to_a_program_and_harmless_to_a_terminal(text: str) -> None:
    written = escaped_json(json.dumps({text: [text]}, indent=2, ensure_ascii=False))
    assert unseen_in(written, but="\n") == []
    assert json.loads(written) == json.loads(json.dumps({text: [text]}))


@given(TEXTS)
def test_a_page_gets_text_that_it_may_show(text: str) -> None:
    sent = visible_json({"why": text, "rows": [{text: (text, 1.5, None)}]})
    assert unseen_in(sent) == []
    read = json.loads(sent)
    assert read == visible_in(read)
    assert read["why"] == visible(text)


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_a_table_keeps_a_cell_within_its_row(cells: list[str]) -> None:
    lines = list(table_lines(["client", "why"], [cells], width=None))
    assert len(lines) == 2
    assert unseen_in("".join(lines)) == []


@given(TEXTS)
def test_a_line_is_one_line(text: str) -> None:
    @click.command()
    def verb() -> None:
        echo("host ", text, Styled(text, bold=True))
        rewrite_line("")
        print_json_line({"text": text})

    said = CliRunner().invoke(verb).stdout
    assert unseen_in(said, but="\n") == []
    assert said.count("\n") == 2


@given(TEXTS)
def test_a_styled_part_has_no_other_sequence_than_its_own(text: str) -> None:
    @click.command()
    def verb() -> None:
        echo(Styled(text, fg="red"))

    said = CliRunner().invoke(verb, color=True).stdout
    assert said == f"\x1b[31m{visible(text)}\x1b[0m\n"


def test_lines_of_our_own_stay_lines() -> None:
    @click.command()
    def verb() -> None:
        echo_lines("one\ntwo\x1b")
        print_json({"a": 1})

    assert CliRunner().invoke(verb).stdout == 'one\ntwo\\x1b\n{\n  "a": 1\n}\n'


@click.command()
def refused() -> None:
    """Fail as a verb does that quotes a site."""
    msg = "odd declined: \x1b[2Jnothing\nError: all is well\u202e"
    raise FederationError(msg)


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    group = LazyGroup(verbs={"refused": Verb(f"{__name__}:refused", "")}, name="fairwind")
    done = CliRunner().invoke(group, ["refused"])
    assert done.stderr.splitlines() == [
        "Error: odd declined: \\x1b[2Jnothing\\nError: all is well\\u202e"
    ]


@given(TEXTS)
def test_a_cell_is_no_formula(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text), "end"])
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert row[1] == "end"
    assert unseen_in(row[0]) == []


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", " =1"])
def test_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_a_log_record_forges_no_second_one(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    try:
        log.configure()
        ours = log.get_logger("tests")
        ours.info("site.declined", reason="no\n12:00:00 [info] all.well \x1b[2J\u202e")
        logging.getLogger("celery").warning("got %s", "a\n12:00:00 [info] forged \x1b[2J")
        try:
            raise ValueError("odd\n12:00:00 [info] forged \x9b2J")  # noqa: EM101, TRY301, TRY003
        except ValueError:
            ours.exception("task.failed")
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert unseen_in(said, but="\n") == []
    begins = [line for line in said.splitlines() if not line.startswith(("    ", "\t"))]
    assert [line[8:].split()[:2] for line in begins if line] == [
        ["[info", "]"], ["[warning", "]"], ["[error", "]"]
    ]  # fmt: skip
    assert "ValueError: odd" in said
