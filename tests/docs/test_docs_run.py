"""Pages and examples are executed as they stand, and the generated pages are what the code says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from docs.pages import ROOT, blocks, executed_pages, shell_script
from faults.fake_provider import FakeProvider, refuse
from waiting import HANG_S, wait_until

# What each page must end up having said.
SAID = {
    "README.md": ("sub_category", "macro avg"),
    "docs/tutorial.md": ("sub_category", "macro avg"),
    "docs/how-to/agreement.md": ("Krippendorff's alpha", "anna and ben"),
    "docs/how-to/bring-your-data.md": ("inquiries.csv", "fasttext.csv", "again.csv"),
    "docs/how-to/ci-gate.md": ("predictions.csv",),
    "docs/how-to/clean.md": ("texts.csv", "scraped.clean.csv"),
    "docs/how-to/compare-models.md": ("macro avg",),
    "docs/how-to/keep-models.md": ("ft:linear:local:", "the same answers: yes", "Order Management"),
    "docs/how-to/label-errors.md": ("proposed_label", "train2.csv"),
    "docs/how-to/leave-openai.md": ("macro avg", "old.csv"),
    "docs/how-to/predict.md": ("Bearer [masked]", "for_people.csv"),
    "docs/how-to/large-data.md": ("predictions/", "sharded/", "chat/"),
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what the pages refer to."""
    for name in ("data", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run_here(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with this environment's labeltune first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True,
        text=True, timeout=4 * HANG_S, check=False,
    )  # fmt: skip


def run_script(script: str, folder: Path, *, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    return run_here([shell, "-eu", "-c", script], folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", executed_pages("sh"))
def test_the_page_runs(page: str, clone: Path) -> None:
    run = run_script(shell_script(ROOT / page), clone)
    assert run.returncode == 0, run.stderr
    for text in SAID.get(page, ()):
        assert text in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", executed_pages("python"))
def test_the_python_of_a_page_runs(page: str, clone: Path) -> None:
    run = run_here([sys.executable, "-c", "\n".join(blocks(ROOT / page, "python"))], clone)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_the_pages_that_run_are_those_that_should() -> None:
    """A page that no longer says so is no longer run: this list notices."""
    assert {*SAID, "docs/how-to/write-an-engine.md"} >= set(executed_pages("sh")) >= set(SAID)
    assert "docs/reference/python.md" in executed_pages("python")


@pytest.mark.slow
@pytest.mark.parametrize("example", ["customer_inquiries.sh", "toxic_comments.sh"])
def test_the_example_runs(example: str, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    run = run_script(f"sh examples/{example} work", clone)
    assert run.returncode == 0, run.stderr
    assert "macro avg" in run.stdout
    scores = [float(score) for score in re.findall(r"macro avg +\S+ +\S+ +(\S+)", run.stdout)]
    assert all(0.5 < score < 0.99 for score in scores), "learnable, and not trivially so"


@pytest.mark.slow
def test_from_ten_rows_runs_without_a_key(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the stand-in, of which it says that it is one; nothing is claimed about how good its rows are."""
    for name in ("TEACHER", "OPENAI_API_KEY", "LABELTUNE_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON", sys.executable)
    run = run_script("sh examples/from_ten_rows.sh work", clone)
    assert run.returncode == 0, run.stderr
    assert "a stand-in that answers from templates plays the large model" in run.stderr
    assert "of 20 rows have the model's labels" in run.stdout
    assert "Compared with ten_rows_alone.csv" in run.stdout
    assert "cells with a text" in run.stderr
    assert "[field.describe]" in (clone / "work" / "task.toml").read_text(encoding="utf-8")
    # The stand-in is gone with the script, or a moment later: it is told to end, and not waited for.
    url = urlsplit((clone / "work" / "teacher.url").read_text(encoding="utf-8").strip())
    wait_until(lambda: nobody_listens(url.hostname or "", url.port or 0))


def nobody_listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=HANG_S).close()
    except ConnectionError:
        return True
    return False


@pytest.mark.slow
def test_from_ten_rows_asks_the_teacher_that_is_named(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchanged, by environment variables: the first question goes to the provider that is named."""
    with FakeProvider(lambda _text, _attempt: refuse(401, "invalid_api_key")) as provider:
        monkeypatch.setenv("TEACHER", provider.url)
        monkeypatch.setenv("TEACHER_MODEL", "large")
        run = run_script("sh examples/from_ten_rows.sh work", clone)
    assert run.returncode == 4, run.stderr
    assert {request["model"] for request in provider.requests} == {"large"}
    assert not (clone / "work" / "teacher.url").exists()


@pytest.mark.slow
def test_the_makefile_does_only_what_is_needed(clone: Path) -> None:
    """The chain as file rules, on fewer rows: a second run asks the gate only, another gate may fail."""
    table = clone / "data" / "customer_inquiries.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines(keepends=True)
    about = (",Billing and Payment,", ",Order Management,")
    kept = [row for row in rows if '"' not in row and any(name in row for name in about)]
    table.write_text("".join([header, *kept]), encoding="utf-8")
    make = ["make", "-f", "examples/Makefile", "LABELTUNE_PROVIDER=local", f"DATA={table}", "OUT=work"]
    first = run_here([*make, "GATE=sub_category.macro_f1=0.3"], clone)
    assert first.returncode == 0, first.stderr
    assert "labeltune train" in first.stdout
    again = run_here([*make, "GATE=sub_category.macro_f1=0.3"], clone)
    assert again.returncode == 0, again.stderr
    assert [line.split()[1] for line in again.stdout.splitlines() if line.startswith("labeltune")] == [
        "evaluate"
    ]
    failed = run_here([*make, "GATE=sub_category.macro_f1=1"], clone)
    assert failed.returncode == 2
    assert "Error 11" in failed.stderr


def test_generated_pages_and_links() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
