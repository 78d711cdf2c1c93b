"""What stands where: each library has its place, each exit code its use."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeltune import errors
from labeltune.errors import ExitCode, LabeltuneError
from source_code import imports_of, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = {
    "typer": ("cli/",),
    "rich": ("cli/output/",),
    "click": (),
    "openai": ("providers/", "tuning/", "prediction/"),
    "aiohttp": ("providers/channel.py",),
    "httpx2": ("providers/", "tuning/creating.py"),
    "starlette": ("local/", "collect/label/app.py"),  # the page of `label` is a server of its own
    "uvicorn": ("local/serving.py",),
    "python_multipart": ("local/multipart.py",),
    "sqlite3": (
        "tuning/ledger.py",
        "tuning/ledger_tables.py",
        "prediction/journal/",
        "collect/label/journal.py",
        "local/",
        "files/write_ahead.py",
    ),
    "jinja2": ("pages/", "local/engines/llm/chat.py"),
    "sklearn": ("evaluation/metrics/", "sklearn.py"),
    "pandas": ("api/",),
    "ray": ("distributed/on_ray.py",),
    "trafilatura": ("collect/clean/",),
    "ftfy": ("collect/clean/",),
    "py3langid": ("collect/clean/",),
    "toktok": ("pricing/tokens.py",),
    "pickle": (),
    "joblib": (),
    "requests": (),
    "tomllib": (
        "task/reading.py",
        "task/toml_lines.py",
        "pricing/prices.py",
        "files/threshold_file.py",
        "collect/generation/plan_file.py",
    ),
}
"""Where a library may be imported, as beginnings of paths below `src/labeltune`."""


def test_each_library_has_its_place() -> None:
    found = defaultdict(list)
    for name, tree in modules():
        for library in set(imports_of(tree)) & ALLOWED.keys():
            found[library].append(name)
    misplaced = {
        library: wrong
        for library, names in found.items()
        if (wrong := [name for name in names if not name.startswith(ALLOWED[library])])
    }
    assert misplaced == {}
    # Else a library that nobody imports any more would stay in the list for ever.
    assert {library for library, places in ALLOWED.items() if places} == found.keys()


def test_only_one_module_prints() -> None:
    """Data goes to standard output through the sink, or as the file that `-` stands for."""
    for name, tree in modules():
        for node in ast.walk(tree):
            is_print = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            )
            assert not is_print, f"{name}:{getattr(node, 'lineno', 0)}"


def test_nothing_is_evaluated() -> None:
    for name, tree in modules():
        calls = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec", "compile", "input"}, name


# ------------------------------------------------------------------------------------------------- exit codes


def subclasses(cls: type[LabeltuneError]) -> Iterator[type[LabeltuneError]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def names_used() -> set[str]:
    """Every name that is called or raised, and every attribute of `ExitCode` that is read, outside `errors`."""
    used = set()
    for name, tree in modules():
        for node in ast.walk(tree):
            if name == "errors.py":
                continue
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                    used.add(called.value.id)
                elif isinstance(called, ast.Name):
                    used.add(called.id)
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name | ast.IfExp):
                used |= {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ExitCode":
                used.add(f"ExitCode.{node.attr}")
    return used


def test_every_error_is_raised_somewhere() -> None:
    used = names_used()
    assert {cls.__name__ for cls in subclasses(LabeltuneError)} - used == set()


def test_every_exit_code_is_somebody_s() -> None:
    """2 and 4 to 11 are an error's, 3 and the signals the command line's, 1 is Python's for what is a bug."""
    of_errors = {cls.exit_code for cls in subclasses(LabeltuneError)}
    assert of_errors == {ExitCode(code) for code in (2, *range(4, 12))}
    used = names_used()
    for code in (ExitCode.INVALID_ANSWERS, ExitCode.SIGINT, ExitCode.CLOSED_PIPE):
        assert f"ExitCode.{code.name}" in used
    rest = set(ExitCode) - of_errors - {ExitCode.INVALID_ANSWERS, ExitCode.SIGINT, ExitCode.CLOSED_PIPE}
    assert rest == {ExitCode.OK, ExitCode.BUG, ExitCode.SIGHUP, ExitCode.SIGTERM}
    assert all(cls.__name__ in errors.__all__ for cls in subclasses(LabeltuneError))


@pytest.mark.parametrize(
    ("raised", "code", "traceback"),
    [
        ("ZeroDivisionError()", ExitCode.BUG, True),
        ("ValueError('x')", ExitCode.BUG, True),
        ("KeyboardInterrupt()", ExitCode.SIGINT, False),
        ("BrokenPipeError()", ExitCode.CLOSED_PIPE, False),
        ("os.kill(os.getpid(), signal.SIGTERM)", ExitCode.SIGTERM, False),
        ("os.kill(os.getpid(), signal.SIGHUP)", ExitCode.SIGHUP, False),
        *((f"errors.{name}Error('said')", code, False) for name, code in (
            ("Settings", 2), ("Access", 4), ("Temporary", 5), ("Budget", 6), ("Data", 7), ("Disk", 8),
            ("Conflict", 9), ("Remote", 10), ("Gate", 11),
        )),
    ],
)  # fmt: skip
def test_what_a_command_raises_becomes_its_exit_code(
    tmp_path: Path, raised: str, code: int, traceback: bool
) -> None:
    """In a process of its own, where a use case fails in the middle of its command."""
    program = (
        "import os, signal, time\n"
        "from labeltune import errors\nfrom labeltune.prepare import infer\n"
        "def fail(*_, **__):\n"
        f"    problem = {raised}\n"
        "    if problem is not None:\n"
        "        raise problem\n"
        "    time.sleep(3600)\n"
        "infer.init = fail\n"
        "from labeltune.__main__ import main\n"
        "main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "init", "x.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert ("Traceback" in run.stderr) is traceback
    if "'said'" in raised:
        assert run.stderr == ("error: said\n" if code != ExitCode.BUG else run.stderr)
