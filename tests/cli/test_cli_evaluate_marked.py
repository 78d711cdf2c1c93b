"""`labeltune evaluate` of what `labeltune predict --spreadsheet` wrote: as if the cells had no marks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import tasks
from labeltune.cli.app import app
from labeltune.files.tables import neutralise

if TYPE_CHECKING:
    from typer.testing import Result

LABELS = ("=yes", "+no", "'maybe'")
HEADER = ["id", "text", "label", "predicted_intent", "answer", "problem", "confidence"]
ROWS = [
    ["-a", "=cmd|' /C calc'!A0", "=yes", "=yes", "=yes", "", "0.9"],
    ["@b", "'quoted' text", "+no", "=yes", "=yes", "", "0.4"],
    ["3", "plain", "'maybe'", "'maybe'", "'maybe'", "", "0.8"],
    ["'4", "-1 star", "+no", "", "", "off_list", ""],
]


def run(*argv: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in argv])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same predictions exact and for spreadsheets, the latter in another order."""
    monkeypatch.chdir(tmp_path)
    task = tasks.INTENT_TOML.replace(
        '["card_arrival", "Refund_not_showing_up", "lost card"]', json.dumps(LABELS)
    )
    (tmp_path / "task.toml").write_text(f'id = "id"\n{task}')
    for name, rows in (("exact.csv", ROWS), ("sheet.csv", [neutralise(row) for row in ROWS[::-1]])):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([HEADER, *rows])
    return tmp_path


def test_the_figures_are_those_of_the_exact_file(here: Path) -> None:
    exact, sheet = (json.loads(run("evaluate", name, "--json").stdout) for name in ("exact.csv", "sheet.csv"))
    assert exact == sheet
    assert exact["metrics"]["accuracy"] == 0.5


@pytest.mark.parametrize("files", [("exact.csv", "sheet.csv"), ("sheet.csv", "exact.csv")])
def test_the_two_files_are_joined(here: Path, files: tuple[str, str]) -> None:
    result = run("evaluate", files[0], "--compare", files[1], "--json")
    assert result.exit_code == 0, result.stderr
    [comparison] = json.loads(result.stdout)["comparisons"]
    assert comparison["mcnemar"]["won"] == comparison["mcnemar"]["lost"] == 0
    assert {one["difference"] for one in comparison["differences"].values()} == {0}


def test_rows_are_shown_without_marks_and_written_with_them(here: Path) -> None:
    result = run("evaluate", "sheet.csv", "--html", "p.html", "--review-below", 0.5)
    assert result.exit_code == 0, result.stderr
    page = Path("p.html").read_text(encoding="utf-8")
    assert "-1 star" in page
    assert "'-1 star" not in page.replace("\\u0027", "'").replace("&#39;", "'")
    with Path("review.csv").open(encoding="utf-8", newline="") as handle:
        assert list(csv.reader(handle)) == [
            [*HEADER, "correct_label"],
            [*neutralise(ROWS[3]), ""],
            [*neutralise(ROWS[1]), ""],
        ]
