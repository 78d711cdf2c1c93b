"""What a message proposes can be pasted: each command and option that the source names exists and parses."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

import labeltune
from labeltune.cli.app import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(labeltune.__file__).parent
FILLED = "filled"
"""What stands for a part of a message that is known only when it is made."""

_PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(=[A-Z]+)?…?|filled\S*|\S*\.\w+|''")
_VALUES = {"METRIC=X": "accuracy=0.5", "PART=SIZE,…": "train=0.8,test=0.2"}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module with their lines, f-strings filled; no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    } - {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in parts or id(node) in alone:
            continue
        if isinstance(node, ast.JoinedStr):
            pieces = (
                str(part.value) if isinstance(part, ast.Constant) else _filling(part) for part in node.values
            )
            yield node.lineno, "".join(pieces)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _filling(part: ast.AST) -> str:
    """A word for a value; nothing for words that are put behind a command, which begin with a space."""
    shown = ast.unparse(part)
    is_words = any(
        name in shown for name in ("words", "flag", "options", "option", "elsewhere", "task_words")
    )
    return "" if is_words else FILLED


def proposed() -> list[Any]:
    """Each command line in a message, with where it stands."""
    found = []
    # Examples are held to more than this, in tests of help.
    for path in sorted(set(ROOT.rglob("*.py")) - {ROOT / "cli" / "examples.py"}):
        for line, text in texts(path):
            for match in re.finditer(rf"(?<![\w/.])labeltune ({'|'.join(COMMANDS)})\b([^`;\n]*)", text):
                where = f"{path.relative_to(ROOT)}:{line}"
                found.append(pytest.param(match[1], match[2], id=f"{where} {match[0][:60]}"))
    return found


def words_of(command: Any, rest: str) -> tuple[Any, list[str]]:
    """The command that is meant and its arguments: as far as words are options, their values or names."""
    words = rest.replace(",", " , ").split() if not rest.startswith((",", ".", ":", ")")) else []
    if hasattr(command, "commands"):
        assert words, "a group alone does nothing"
        command = command.get_command(None, words.pop(0))
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    taken: list[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("-") and len(word) > 1:
            assert word in options, f"no such option: {word}"
            taken.append(word)
            if not getattr(options[word], "is_flag", False):
                assert words, f"{word} takes a value"
                value = words.pop(0)
                taken.append(_VALUES.get(value, value))
        elif _PLACEHOLDER.fullmatch(word):
            taken.append(word.strip("'"))
        else:
            break  # prose
    return command, taken


@pytest.mark.parametrize(("name", "rest"), proposed())
def test_a_command_that_a_message_proposes_parses(name: str, rest: str) -> None:
    command, words = words_of(get_command(app).get_command(None, name), rest)  # type: ignore[attr-defined]  # a group
    context = command.make_context(name, words)
    assert context.params is not None


def test_messages_propose_commands_at_all() -> None:
    assert len(proposed()) > 25


def test_an_option_that_a_message_names_exists() -> None:
    group: Any = get_command(app)
    commands = [group.get_command(None, name) for name in COMMANDS]
    commands += [one for command in commands for one in getattr(command, "commands", {}).values()]
    known = {
        name for one in commands for param in one.params for name in (*param.opts, *param.secondary_opts)
    }
    # The last are those of pip, torchrun and docker.
    known |= {"--help", "--version", "--extra-index-url", "--nnodes", "--env-file"}
    named = {
        (option, f"{path.relative_to(ROOT)}:{line}")
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in texts(path)
        if " " in text
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text)
        if FILLED not in option
    }
    assert len(named) > 60
    assert {place for option, place in named if option not in known} == set()
