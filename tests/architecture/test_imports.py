"""What is imported when: help pays for nothing, and importing changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "pandas",
    "numpy",
    "sklearn",
    "scipy",
    "openai",
    "httpx2",
    "starlette",
    "uvicorn",
    "jinja2",
    "rich",
    "sqlite3",
)

_PROGRAM = f"""
import sys
from labeltune.__main__ import main
try:
    main()
finally:
    print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["convert", "--help"], 0),
        (["jobs", "--help"], 0),
        (["predict", "--help"], 0),
        (["no-such-command"], 2),
        (["convert"], 2),
        (["train", "x.jsonl", "--no-such-option"], 2),
        (["split", "x.csv", "--seed", "many"], 2),
    ],
    ids=str,
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str], exit_code: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == exit_code
    assert run.stderr.splitlines()[-1] == "", run.stderr


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
