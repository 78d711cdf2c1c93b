"""README and tutorial are executed as they stand, and the generated pages are what the code says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)

# What sets up an environment is what `make` and `pip` do before any test runs.
_SETS_UP = re.compile(r"^(make|pip) .*$", re.MULTILINE)


def shell_blocks(page: Path) -> str:
    """All shell blocks of a page as one script."""
    return _SETS_UP.sub("", "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what the pages refer to."""
    for name in ("data", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run_script(script: str, folder: Path, *, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, with this environment's labeltune first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [shell, "-eu", "-c", script], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True,
        text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_page_runs(page: str, clone: Path) -> None:
    run = run_script(shell_blocks(ROOT / page), clone)
    assert run.returncode == 0, run.stderr
    assert "sub_category" in run.stdout
    assert "macro avg" in run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("example", ["customer_inquiries.sh", "toxic_comments.sh"])
def test_the_example_runs(example: str, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    run = run_script(f"sh examples/{example} work", clone)
    assert run.returncode == 0, run.stderr
    assert "macro avg" in run.stdout


def test_generated_pages_and_links() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
