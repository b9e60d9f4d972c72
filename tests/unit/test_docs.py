"""What the documentation names exists: files, headings, settings, commands and their options."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from common.settings import Settings
from common.settings.names import ENVIRONMENT_ONLY, PREFIX, variable
from scheduler.ledger.events import PAYLOADS
from scheduler.ledger.events.catalogue import catalogue
from scheduler.rounds.engine import STEPS
from tasks.cli import fairwind

PROJECT = Path(__file__).resolve().parents[2]

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "docker/*.md")
    for page in PROJECT.glob(pattern)
    if not page.is_relative_to(PROJECT / "docs" / "study")
)


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors a forge makes of a page's headings."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> list[list[str]]:
    """Return the words of every `fairwind ...` that a page shows, after "fairwind"."""
    code = re.findall(r"```(?:bash|console|sh)\n(.*?)```", text, re.DOTALL)
    lines = [line.lstrip("$ ") for block in code for line in block.splitlines()]
    shown = [line for line in lines if line.startswith("fairwind ")]
    shown += [line.partition("exec coordinator ")[2] for line in lines]
    shown += re.findall(r"`(fairwind [^`\n]*)`", text)
    return [line.split("#")[0].split()[1:] for line in shown if line.startswith("fairwind ")]


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


@every_page
def test_words_are_the_fields(page: Path) -> None:
    private = r"\b(?:told|tells|speaks|heard|asked for)\b|(?:^|[.:;|*] +)Who(?:ever)?\b[^?]*?[.|]"
    assert re.findall(private, without_code(page.read_text("utf-8")), re.MULTILINE) == []


@every_page
def test_paths_of_ours_exist(page: Path) -> None:
    """A path in a page's text, such as `scheduler/rounds/world.py`, is there."""
    roots = "|".join(
        path.name for path in PROJECT.iterdir() if path.is_dir() and path.name[0] != "."
    )
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    named = re.findall(rf"`((?:{roots})/[\w./-]+)`", prose)
    assert [path for path in named if not (PROJECT / path).exists()] == []


@every_page
def test_settings_exist(page: Path) -> None:
    known = {variable(name) for name in Settings.model_fields} | ENVIRONMENT_ONLY
    # `_FAIRWIND_COMPLETE` is click's, which has the underscore in front.
    named = set(re.findall(rf"(?<!_){PREFIX}[A-Z][A-Z0-9_]*[A-Z0-9]", page.read_text("utf-8")))
    assert named <= known


@every_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in commands(page.read_text("utf-8")):
        command: click.Command = fairwind
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(click.Context(command), rest[0])
            assert found, f"fairwind {' '.join(words)}"
            command, rest = found, rest[1:]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in options, f"fairwind {' '.join(words)}"


@every_page
def test_commands_in_blocks_are_parsed(page: Path) -> None:
    """Their values fit, too; also of blocks that no test can run, such as those in a container."""
    for block in re.findall(
        r"```(?:bash|console|sh)\n(.*?)```", page.read_text("utf-8"), re.DOTALL
    ):
        for line in block.splitlines():
            made = re.search(r"\bmake demo(?: ARGS=(.*?))?\s*(?:#.*)?$", line)
            if made:
                words = ["demo", *shlex.split(" ".join(shlex.split(made[1] or "")))]
            elif found := re.search(r"(?:^|\$ |&& |exec coordinator )fairwind (.*)$", line):
                words = shlex.split(found[1], comments=True)
            else:
                continue
            command: click.Command = fairwind
            while isinstance(command, click.Group) and words:
                following = command.get_command(click.Context(command), words.pop(0))
                assert following, line
                command = following
            with command.make_context("fairwind", words):
                pass


def test_site_table_says_what_the_settings_say() -> None:
    text = (PROJECT / "docs" / "federation.md").read_text("utf-8")
    table = text.partition("| variable | default |")[2].partition("\n\n")[0]
    rows = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| ([^|]+) \|", table, re.MULTILINE)
    assert rows
    for name, shown in rows:
        default = Settings.model_fields[name.lower()].default
        if default in (None, ()):
            assert shown == "none"
        elif isinstance(default, tuple):
            assert shown.strip("`") == ",".join(default)
        elif isinstance(default, int | float):
            assert float(shown) == default
        else:
            assert shown.strip("`") == str(default)


def test_architecture_lists_the_kinds_of_events_as_their_models_say() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    marks = re.findall(r"<!-- event kinds.*?-->\n(.*?)<!-- event kinds -->", text, re.DOTALL)
    assert marks == [catalogue()]


def test_every_field_of_an_event_is_documented() -> None:
    for made in PAYLOADS.values():
        documented = set(re.findall(r"^ {4,}(\w+): ", inspect.getdoc(made) or "", re.MULTILINE))
        assert documented == set(made.__annotations__) - {"kind"}, made


def test_architecture_draws_the_rooms_as_they_are_enforced() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    for contract in contracts["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            (name,) = contract.get("containers", ["rooms"])
            assert f"{name:<13}{' > '.join(contract['layers'])}\n" in text


def test_every_decision_has_the_same_parts() -> None:
    parts = ["Context", "Decision", "Consequences", "Alternatives", "Green impact"]
    for page in sorted((PROJECT / "docs" / "adr").glob("*.md")):
        assert re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE) == parts


def test_every_decision_is_listed_in_its_order() -> None:
    listed = re.findall(
        r"^(\d+)\. \[.+\]\((adr/.+\.md)\)$",
        (PROJECT / "docs" / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )
    pages = sorted((PROJECT / "docs" / "adr").glob("*.md"))
    assert listed == [(str(n), f"adr/{page.name}") for n, page in enumerate(pages, start=1)]
    for number, page in enumerate(pages, start=1):
        assert page.read_text("utf-8").startswith(f"# {number}. ")


def test_the_fields_words_lead_to_modules_that_exist() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    section = text.partition("## The field's words\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    _header, _rule, *words = rows
    terms = " ".join(term for term, *_ in words)
    for term in ("strategy", "executor", "aggregator", "sampler", "heartbeat", "provider"):
        assert term in terms
    for term in ("rate limit", "circuit breaker", "outcome", "metric"):
        assert term in terms
    for term, _tool, ours, modules in words:
        paths = re.findall(r"`([^`]+)`", modules)
        assert ours
        assert paths, term
        assert [path for path in paths if not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("walk", ["One assignment in eight stops", "One update in eight stops"])
def test_every_stop_of_a_walk_is_a_function_that_exists(walk: str) -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    section = text.partition(f"## {walk}\n")[2].partition("\n## ")[0]
    stops = [line for line in section.splitlines() if re.match(r"\d+\. ", line)]
    assert 0 < len(stops) <= 8
    for number, stop in enumerate(stops, start=1):
        found = re.match(rf"{number}\. \[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)", stop)
        assert found, stop
        assert found[1] in functions(PROJECT / found[2]), stop


def functions(module: Path) -> set[str]:
    """Return the functions of a module, those of its classes as Class.method."""
    body = ast.parse(module.read_text("utf-8")).body
    found = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for owner in body:
        if isinstance(owner, ast.ClassDef):
            methods = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
            found |= {f"{owner.name}.{method.name}" for method in methods}
    return found


def test_architecture_shows_the_round_loop_in_its_order() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    section = text.partition("## One engine, three worlds\n")[2].partition("\n## ")[0]
    loop = re.findall(r"^(\w+) {2,}\S", section, re.MULTILINE)
    assert loop == ["stop", "observe", *STEPS]


def test_the_threat_model_names_tests_that_exist() -> None:
    page = PROJECT / "docs" / "threat-model.md"
    named = re.findall(r"\[`(test_\w+)`\]\(([^)\s]+)\)", page.read_text("utf-8"))
    assert len(named) > 30
    for name, link in named:
        tests = ast.parse((page.parent / link).read_text("utf-8")).body
        assert name in {node.name for node in tests if isinstance(node, ast.FunctionDef)}, name
