"""What is imported when: help pays for nothing, and importing changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labeltune.cli.app import COMMANDS

HEAVY = (
    "pandas",
    "numpy",
    "sklearn",
    "scipy",
    "openai",
    "httpx2",
    "aiohttp",
    "orjson",
    "starlette",
    "uvicorn",
    "jinja2",
    "rich",
    "sqlite3",
    "asyncio",
)

_PROGRAM = f"""
import sys
from labeltune.__main__ import main
try:
    main()
finally:
    print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def imported(arguments: list[str], **environment: str) -> tuple[int, str]:
    """The exit code of a command in a process of its own, and which heavy modules it had imported."""
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        *((arguments, 0) for arguments in ([name, "--help"] for name in COMMANDS)),
        (["jobs", "watch", "--help"], 0),
        ([], 2),
        (["no-such-command"], 2),
        (["convert"], 2),
        (["train", "x.jsonl"], 2),
        (["train", "x.jsonl", "--no-such-option"], 2),
        (["split", "x.csv", "--seed", "many"], 2),
        (["serve", "--port", "70000"], 2),
        (["jobs", "no-such-command"], 2),
    ],
    ids=str,
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str], exit_code: int) -> None:
    assert imported(arguments) == (exit_code, "")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("labeltune ", set()),
        ("labeltune tra", set()),
        ("labeltune train --epo", set()),
        # The ids stand in databases.
        ("labeltune predict x.csv --model ", {"sqlite3", "orjson"}),
    ],
)
def test_completion_imports_nothing_heavy(words: str, needed: set[str]) -> None:
    place = str(words.count(" "))
    code, heavy = imported([], _LABELTUNE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=place)
    assert code == 0
    assert set(heavy.split()) <= needed


def test_importing_the_package_changes_nothing() -> None:
    program = (
        "import sys, os, logging, warnings\n"
        "before = dict(os.environ), logging.root.handlers[:], warnings.filters[:]\n"
        "import labeltune\n"
        "assert before == (dict(os.environ), logging.root.handlers[:], warnings.filters[:])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
