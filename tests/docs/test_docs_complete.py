"""Every command, option and exit code is documented, and what is documented exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import typer

from docs.pages import ROOT, Named, named_commands, pages
from labeltune.cli.app import COMMANDS, app
from labeltune.errors import ExitCode
from labeltune.local.engines import ENGINES, get_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS_PAGE = ROOT / "docs" / "reference" / "commands.md"

# Options of other programs that pages name: the benchmarks', docs/generate.py's, pip's, Slurm's and Ray's.
FOREIGN = {
    "--standalone",
    "--nproc",
    "--check",
    "--env",
    "--no-deps",
    "--require-hashes",
    "--no-build-isolation",
    "--array",
    "--head",
} | {
    option
    for path in (ROOT / "benchmarks").glob("*.py")
    for option in re.findall(r'add_argument\(\s*"(--[a-z-]+)"', path.read_text(encoding="utf-8"))
}


def tree(group: Any = None, name: str = "labeltune") -> Iterator[tuple[str, Any]]:
    """Every command that can be run, by its whole name."""
    group = typer.main.get_command(app) if group is None else group
    for word in group.list_commands(None):
        command = group.get_command(None, word)
        if hasattr(command, "commands"):
            yield from tree(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def options_of(command: Any) -> list[Any]:
    return [param for param in command.params if param.param_type_name == "option" and param.name != "help"]


def section(name: str) -> str:
    """The part of the reference that is about a command."""
    text = COMMANDS_PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^#+ `{re.escape(name)}`\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{name} is not in {COMMANDS_PAGE.name}: make docs"
    return found[1]


def test_there_are_the_commands_of_the_contract() -> None:
    assert [name.split()[1] for name, _ in tree() if len(name.split()) == 2] == [
        name for name in COMMANDS if name not in ("jobs", "audit", "models", "files")
    ]
    assert [name.split()[2] for name, _ in tree() if name.startswith("labeltune audit ")] == ["injection"]
    jobs = [name.split()[2] for name, _ in tree() if name.startswith("labeltune jobs ")]
    assert jobs == ["list", "show", "watch", "events", "checkpoints", "cancel", "pause", "resume"]
    models = [name.split()[2] for name, _ in tree() if name.startswith("labeltune models ")]
    assert models == ["list", "show", "delete", "export", "import"]
    files = [name.split()[2] for name, _ in tree() if name.startswith("labeltune files ")]
    assert files == ["list", "delete"]


@pytest.mark.parametrize(("name", "command"), [*tree()])
def test_every_option_is_documented_and_explained(name: str, command: Any) -> None:
    text = section(name)
    first = command.help.strip().splitlines()[0]
    assert first.split("|")[0] in text
    for option in options_of(command):
        for spelling in (*option.opts, *option.secondary_opts):
            assert re.search(rf"[`\s]{re.escape(spelling)}[`,\s]", text), f"{name} {spelling}"
        assert option.help, f"{name} {option.opts[0]} has no help"
        assert not option.help[0].islower(), f"{name} {option.opts[0]}: {option.help}"
        assert option.help.endswith("."), f"{name} {option.opts[0]}: {option.help}"


@pytest.mark.parametrize("name", ["--json", "--quiet"])
def test_every_command_takes(name: str) -> None:
    assert [
        command for command, tree_ in tree() if not any(name in one.opts for one in options_of(tree_))
    ] == []


def test_one_option_is_one_thing() -> None:
    """The same spelling has the same help everywhere, but for those that mean a command's own output or model."""
    own = {
        "--dry-run",
        "--max-cost",
        "--output",
        "--model",
        "--limit",
        "--seed",
        "--force",
        "--html",
        "--probabilities",
        "--new-job",
        "--thresholds",
        "--review-below",
        "--to",
        "--sizes",
        "--all",
    }
    helps: dict[str, set[str]] = {}
    for _, command in tree():
        for option in options_of(command):
            helps.setdefault(option.opts[0], set()).add(" ".join(option.help.split()))
    assert {name for name, texts in helps.items() if len(texts) > 1} <= own


def test_every_exit_code_is_documented() -> None:
    text = COMMANDS_PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2]
    documented = dict(re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE))
    assert documented.keys() == {str(int(code)) for code in ExitCode}
    assert all(len(meaning) > 4 for meaning in documented.values())


@pytest.mark.parametrize("page", sorted({named.page for named in named_commands()}))
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    for named in named_commands():
        if named.page == page:
            check_named(named)


def check_named(named: Named) -> None:
    group: Any = typer.main.get_command(app)
    words = list(named.arguments)
    if words[:1] == ["--help"] or words[:1] == ["--version"]:
        return
    while hasattr(group, "commands"):
        assert words, f"{named.page}: which command?"
        group = group.get_command(None, words.pop(0))
        assert group is not None, f"{named.page}: labeltune {' '.join(named.arguments)}"
        if not words:
            return
    known = {spelling for option in options_of(group) for spelling in (*option.opts, *option.secondary_opts)}
    given = [word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)]
    assert set(given) <= known | {"--help"}, named


def test_every_option_that_a_page_names_exists() -> None:
    known = {
        spelling
        for _, command in tree()
        for one in options_of(command)
        for spelling in (*one.opts, *one.secondary_opts)
    } | {"--help", "--version"}
    unknown = {
        (str(page.relative_to(ROOT)), word)
        for page in pages()
        for text in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
        for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        if word not in known | FOREIGN
    }
    assert unknown == set()


def test_the_map_for_contributors_leads_somewhere() -> None:
    """Where something new goes: files and folders of `src/labeltune`, and the tables in them."""
    rows = [
        line
        for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n")
        if line[:2] == "| "
    ]
    source = ROOT / "src" / "labeltune"
    places = {place for row in rows for place in re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", row)}
    assert len(places) > 10
    assert {place for place in places if not (source / place).exists()} == {"cli/NAME.py"}
    tables = {found for row in rows for found in re.findall(r"`([A-Z_]{6,})`[^|]*? in `([\w/]+\.py)`", row)}
    assert len(tables) > 5
    for name, place in tables:
        assert re.search(rf"^{name}\b", (source / place).read_text(encoding="utf-8"), re.MULTILINE), name


def test_no_page_installs_it_from_an_index_where_it_is_not() -> None:
    for path in [*pages(), ROOT / "Dockerfile", ROOT / "action.yml", *(ROOT / "examples").iterdir()]:
        assert not re.search(r"pip3? install[^\n`]*[\s'\"]labeltune\b", path.read_text(encoding="utf-8")), (
            path
        )


def test_every_option_of_a_base_model_is_in_the_table_of_options() -> None:
    text = (ROOT / "docs" / "reference" / "engines.md").read_text(encoding="utf-8")
    told: set[tuple[str, str]] = set()
    for options, names in re.findall(r"^\| (`[a-z_]+=[^|]+) \| ([^|]+) \|", text, re.MULTILINE):
        told |= {
            (engine, option)
            for option in re.findall(r"`([a-z_]+)=", options)
            for engine in re.findall(r"`(\w+)`", names)
        }
    assert told == {(name, option) for name in ENGINES for option in get_engine(name).options}
