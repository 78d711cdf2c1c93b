"""A release is told by its section of CHANGELOG.md, under the one version that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import labeltune
from setup.locks import ROOT, project

VERSION = labeltune.__version__


def test_the_changes_have_a_section_for_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert VERSION in headings


def test_the_version_stands_in_one_place() -> None:
    about = project()
    assert "version" not in about["project"]
    assert about["project"]["dynamic"] == ["version"]
    assert about["tool"]["hatch"]["version"]["path"] == "src/labeltune/version.py"


def notes(folder: Path, changes: str, tag: str) -> subprocess.CompletedProcess[str]:
    """What the release workflow asks for, where CHANGELOG.md says `changes`."""
    for name in (".ci/release-notes", "src/labeltune/version.py"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    return subprocess.run(
        ["sh", ".ci/release-notes", tag], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_notes_are_the_section(tmp_path: Path) -> None:
    changes = f"# Changes\n\n## 99.0.0 — unreleased\n\nLater.\n\n## {VERSION} — 2026-12-01\n\n### Added\n- This.\n\n## 0.0.1\n- Old.\n"
    run = notes(tmp_path, changes, f"v{VERSION}")
    assert (run.returncode, run.stdout, run.stderr) == (0, "### Added\n- This.\n", "")


@pytest.mark.parametrize(
    ("heading", "tag", "said"),
    [
        (f"## {VERSION} — unreleased", f"v{VERSION}", 'says "unreleased"'),
        ("## 0.0.1", f"v{VERSION}", f"no section {VERSION}"),
        (f"## {VERSION}9", f"v{VERSION}", f"no section {VERSION}"),
        (f"## {VERSION} — 2026-12-01", "v99.0.0", f"expected v{VERSION}"),
    ],
    ids=["unreleased", "missing", "a longer number", "another tag"],
)
def test_what_is_no_release_is_refused(tmp_path: Path, heading: str, tag: str, said: str) -> None:
    run = notes(tmp_path, f"# Changes\n\n{heading}\n\n- This.\n", tag)
    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
