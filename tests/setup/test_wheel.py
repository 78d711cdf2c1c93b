"""The wheel and the sdist hold what they must, and the wheel is the same whichever way it is built."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from setup.locks import ROOT

pytestmark = pytest.mark.slow

SOURCE = ROOT / "src" / "labeltune"


def build(folder: Path, *options: str) -> None:
    """Build with what is installed here: nothing is fetched. The folder is where no `build` of ours lies."""
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def content(folder: Path) -> dict[str, bytes]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return folder


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    files = {
        f"labeltune/{path.relative_to(SOURCE).as_posix()}": path.read_bytes()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wheel = content(built)
    assert {name: data for name, data in wheel.items() if ".dist-info/" not in name} == files
    endings = {Path(name).suffix for name in files}
    assert {".py", ".toml", ".j2", ".css", ".js"} <= endings
    assert "labeltune/py.typed" in files


def test_the_wheel_is_the_same_from_the_sdist_and_from_the_tree(built: Path, tmp_path: Path) -> None:
    build(tmp_path, "--wheel")
    assert content(tmp_path) == content(built)


def test_the_sdist_holds_what_the_readme_s_commands_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        *(
            "Makefile",
            "pyproject.toml",
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "LICENSE",
            "action.yml",
        ),
        *("requirements/demo.txt", "requirements/dev.txt", "examples/customer_inquiries.sh"),
        *("data/customer_inquiries.csv", "tests/conftest.py", "docs/tutorial.md", ".ci/run"),
    ):
        assert name in names
    assert not {name for name in names if "node_modules" in name or "__pycache__" in name or "/venv/" in name}
