"""Help that one takes in at a glance: groups, short lines, panels, two examples for each command."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from typer.main import get_command

from cli.remote import run
from labeltune.cli.app import COMMANDS, GROUPS, app
from labeltune.cli.examples import EXAMPLES

ROOT: Any = get_command(app)


def leaves() -> dict[str, Any]:
    """Each command that does something, by its words."""
    found: dict[str, Any] = {}
    for name in COMMANDS:
        command = ROOT.get_command(None, name)
        below = getattr(command, "commands", None)
        found |= {name: command} if below is None else {f"{name} {sub}": one for sub, one in below.items()}
    return found


def test_commands_are_listed_in_groups_each_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--help").stdout.splitlines()
    assert [line for line in lines if f"{line.rstrip(':')}" in GROUPS] == [f"{name}:" for name in GROUPS]
    for group in GROUPS.values():
        for name, what in group.items():
            assert any(line.split() == [name, *what.split()] for line in lines), name
            assert len(what) <= 45
            assert not what.endswith(".")


@pytest.mark.parametrize("words", leaves())
def test_each_command_has_two_examples_that_parse(words: str) -> None:
    first, second = EXAMPLES[words]
    assert first != second
    for example in (first, second):
        program, *argv = shlex.split(example.partition(" < ")[0])
        assert program == "labeltune"
        count = len(words.split())
        assert argv[:count] == words.split()
        leaves()[words].make_context(words, argv[count:], resilient_parsing=False)
    shown = run(*words.split(), "--help").stdout
    assert f"Examples:\n  {first}\n  {second}\n" in shown


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    assert set(EXAMPLES) == set(leaves())


@pytest.mark.parametrize("words", ["predict", "train"])
def test_long_lists_of_options_are_in_panels(words: str) -> None:
    shown = run(words, "--help").stdout
    titles = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        "Arguments:", "Options:", "Where:", "Cost:", "Resume:", "Table format:", "Output and help:", "Examples:",
    ]  # fmt: skip


@pytest.mark.parametrize("words", leaves())
def test_metavars_are_words_and_arguments_are_not_in_braces(words: str) -> None:
    shown = run(*words.split(), "--help").stdout
    assert "<" not in shown.partition("Examples:")[0], shown
    assert "{" not in shown.splitlines()[0]
    assert "2147483647" not in shown


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["predict", "--json"], "Missing"),
        (["predict", "x.csv", "--modell", "m", "--json"], "--modell"),
        (["pedict", "--json"], "predict"),
        (["split", "x.csv", "--seed", "many", "--json"], "--seed"),
    ],
)
def test_usage_errors_are_documents_where_documents_were_asked_for(argv: list[str], said: str) -> None:
    result = run(*argv)
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == 2
    assert said in error["message"]
    assert said in result.stderr


def test_what_is_nearly_a_command_or_an_option_is_named() -> None:
    assert "No such command 'pedict' (did you mean \"predict\"?)." in run("pedict").stderr
    assert "--model" in run("predict", "x.csv", "--modell", "m").stderr
