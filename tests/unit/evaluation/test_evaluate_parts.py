"""A folder of predictions is measured as one table of all its rows would be, to the last digit."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tasks
from labeltune.errors import DataError, SettingsError
from labeltune.evaluation.evaluate import EvaluateOptions, Gate, Review, evaluate
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.parts import row_codes, tally
from labeltune.evaluation.parts.row_codes import RowCodes
from labeltune.evaluation.report.document import report_document
from labeltune.evaluation.report.page import format_html
from labeltune.files.tables import write_table
from predicted_parts import CASES, ENDINGS, Case, write_parts

if TYPE_CHECKING:
    from labeltune.evaluation.report.model import Report
    from labeltune.task import Task


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def made(case: Case, tmp_path: Path, count: int = 1_500) -> tuple[str, str]:
    """A folder and one file of the same rows."""
    chance = random.Random(3)
    rows = [case.row(number, chance) for number in range(count)]
    write_table(tmp_path / "whole.csv", case.header, rows)
    return str(write_parts(tmp_path / "parts", case, rows)), str(tmp_path / "whole.csv")


def documents(path: str, task: Task, **options: Any) -> dict[str, Any]:
    """The report of a table without its name."""
    document = report_document(evaluate(path, task, EvaluateOptions(bootstrap=200, **options)))
    document["warnings"] = [warning.removeprefix(f"{path}: ") for warning in document["warnings"]]
    return document


def test_a_folder_scores_what_its_rows_score(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many pieces, and codes in a file, summed in many steps: as with a hundred million rows.
    monkeypatch.setattr("labeltune.files.tables.delimited._CHUNK", 4_000)
    monkeypatch.setattr("labeltune.evaluation.reading._PIECE_ROWS", 37)
    monkeypatch.setattr(row_codes, "_IN_MEMORY", 1_000)
    monkeypatch.setattr(row_codes, "_AT_ONCE", 128)
    folder, whole = made(case, tmp_path)
    gates = (Gate.parse("macro_f1=0.9", "under"),)
    expected = documents(whole, case.task, gates=gates)
    assert expected["calibration"]["bins"]
    assert expected["problems"]
    found = documents(folder, case.task, gates=gates)
    assert found == expected
    assert list(found["problems"].items()) == list(expected["problems"].items())
    assert documents(f"{folder}/part-*", case.task, gates=gates) == expected


def shown(report: Report) -> list[tuple[Any, ...]]:
    rows = [report.rows[line] for line in report.errors]
    return [
        (row.id, row.text, row.true, row.predicted, row.problem, row.confidence, row.unsure) for row in rows
    ]


@pytest.mark.parametrize("count", [2_000, 60], ids=["all", "some"])
def test_the_page_shows_the_same_wrong_rows(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("labeltune.evaluation.reading._PIECE_ROWS", 37)
    monkeypatch.setattr("labeltune.files.tables.delimited._CHUNK", 4_000)
    monkeypatch.setattr("labeltune.evaluation.rows.pick_errors.__kwdefaults__", {"count": count})
    monkeypatch.setattr(tally, "SHOWN_ERRORS", count)
    folder, whole = made(case, tmp_path)
    options = EvaluateOptions(bootstrap=0, errors=True)
    found, expected = evaluate(folder, case.task, options), evaluate(whole, case.task, options)
    assert found.wrong == expected.wrong > 60
    assert shown(found) == shown(expected)
    assert len(found.errors) == min(found.wrong, count)
    first = found.rows[found.errors[0]]
    assert Path(first.file).name == "part-000.csv"
    assert first.line == expected.rows[expected.errors[0]].line
    assert "part-000.csv" in format_html(found)


def test_comparisons_reviews_and_thresholds_read_all_rows(case: Case, tmp_path: Path) -> None:
    folder, whole = made(case, tmp_path)
    other = tmp_path / "other.csv"
    text = Path(whole).read_text(encoding="utf-8")
    other.write_text(text, encoding="utf-8")
    found, expected = (
        documents(one, case.task, compare=(str(other),), review=Review(0.3, str(tmp_path / f"{name}.csv")))
        for name, one in (("found", folder), ("expected", whole))
    )
    for document in (found, expected):
        for comparison in document["comparisons"]:
            del comparison["verdict"]
    assert found == expected
    assert found["reviewed"] > 100
    review = (tmp_path / "found.csv").read_text(encoding="utf-8")
    assert review == (tmp_path / "expected.csv").read_text(encoding="utf-8")


def test_rows_won_are_named_by_part_and_line(tmp_path: Path) -> None:
    case = CASES["multi"]
    folder, whole = made(case, tmp_path, 120)
    lines = Path(whole).read_text(encoding="utf-8")
    worse = tmp_path / "worse.csv"
    rows = [line.replace(",answer,,", ",answer,off_list,", 1) for line in lines.split("\n")]
    worse.write_text("\n".join(rows), encoding="utf-8")
    report = evaluate(folder, case.task, EvaluateOptions(bootstrap=50, compare=(str(worse),)))
    won = report_document(report)["comparisons"][0]["examples"]["won"]
    assert {Path(one["file"]).name for one in won} <= {f"part-{n:03}.{ENDINGS[n % 6]}" for n in range(12)}
    named = [one for one in won if one["file"].endswith(".csv")]
    for one in named:
        assert (
            one["text"].split("\n")[0].replace('"', '""')
            in Path(one["file"]).read_text().split("\n")[one["line"] - 1]
        )
    assert named


def test_ids_are_looked_for_in_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["multi"]
    folder, _ = made(case, tmp_path, 120)
    shutil.copy(f"{folder}/part-001.jsonl", f"{folder}/part-100.jsonl")
    report = evaluate(folder, case.task, EvaluateOptions(bootstrap=0))
    assert report.warnings == (f'{folder}: 10 ids occur more than once, such as "r10"',)
    monkeypatch.setattr(tally, "MOST_IDS", 100)
    report = evaluate(folder, case.task, EvaluateOptions(bootstrap=0))
    assert report.warnings == (
        f"{folder}: ids that repeat are not looked for among more than 10,000,000 rows",
    )


def test_too_many_probabilities_are_said_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["multi"]
    folder, whole = made(case, tmp_path, 240)
    monkeypatch.setattr(tally, "MOST_PROBABILITIES", 600)
    report = evaluate(folder, case.task, EvaluateOptions(bootstrap=0))
    assert not report.probabilities
    assert "are left out: they need all probabilities side by side" in report.warnings[-1]
    assert report.quality.metrics == evaluate(whole, case.task, EvaluateOptions(bootstrap=0)).quality.metrics


def test_a_folder_that_is_not_complete_is_said(case: Case, tmp_path: Path) -> None:
    folder, _ = made(case, tmp_path, 120)
    (Path(folder) / "_SUCCESS").unlink()
    unfinished = (
        f"{folder}: there is no _SUCCESS in it, so that its run is not complete: 12 parts are measured"
    )
    assert unfinished in evaluate(folder, case.task, EvaluateOptions(bootstrap=0)).warnings
    review = Review(0.2, str(tmp_path / "review.csv"))
    assert unfinished in evaluate(folder, case.task, EvaluateOptions(bootstrap=0, review=review)).warnings


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet", "jsonl", "jsonl.gz", "json", "ndjson"])
def test_a_part_without_rows_changes_nothing(tmp_path: Path, ending: str) -> None:
    case = CASES["single"]
    folder, whole = made(case, tmp_path, 240)
    empty = Path(folder) / f"0.{ending}"
    write_table(empty, case.header, [])
    of_whole = evaluate(whole, case.task, EvaluateOptions(bootstrap=0)).quality.metrics
    assert evaluate(folder, case.task, EvaluateOptions(bootstrap=0)).quality.metrics == of_whole
    review = Review(0.2, str(tmp_path / "review.csv"))
    beside = evaluate(folder, case.task, EvaluateOptions(bootstrap=0, review=review))
    assert beside.quality.metrics == of_whole
    (tmp_path / "none").mkdir()
    empty.rename(tmp_path / "none" / empty.name)
    with pytest.raises(DataError, match="no rows"):
        evaluate(str(tmp_path / "none"), case.task, EvaluateOptions(bootstrap=0))


@pytest.mark.parametrize("review", [None, Review(0.2, "review.csv")], ids=["added up", "side by side"])
@pytest.mark.parametrize("part", [0, 1, 3], ids=lambda part: ENDINGS[part])
def test_a_bad_row_is_named_by_part_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, review: Review | None
) -> None:
    monkeypatch.chdir(tmp_path)
    case = CASES["single"]
    folder, _ = made(case, tmp_path, 120)
    path = next(Path(folder).glob(f"part-00{part}.*"))
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[4] = re.sub("card_arrival|Refund_not_showing_up|lost card", "no such", lines[4], count=1)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=rf"{path.name}:5: .*no such"):
        evaluate(folder, case.task, EvaluateOptions(bootstrap=0, review=review))


def test_a_folder_without_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(DataError, match="an empty folder"):
        evaluate(str(tmp_path), tasks.TOXIC)
    with pytest.raises(SettingsError, match="there is no such folder"):
        evaluate(str(tmp_path / "none" / "*.csv"), tasks.TOXIC)


def test_parts_are_told_one_by_one(tmp_path: Path) -> None:
    case = CASES["single"]
    folder, _ = made(case, tmp_path, 60)

    class Story:
        def __init__(self) -> None:
            self.told: list[int] = []

        def begin(self, parts: int) -> None:
            self.told.append(parts)

        def advance(self, parts: int, /) -> None:
            self.told.append(parts)

    story = Story()
    evaluate(folder, case.task, EvaluateOptions(bootstrap=0), story)
    assert story.told == [12, *[1] * 12]


@pytest.mark.parametrize("rows", [1, 127, 128, 1_000, 4_099])
def test_sums_are_those_of_the_rows_in_their_order(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_codes, "_AT_ONCE", 128)
    generator = np.random.default_rng(rows)
    values, codes = generator.random(50) ** 3, generator.integers(0, 50, rows)
    with RowCodes() as kept:
        for piece in np.array_split(codes, 7):
            kept.append(piece)
        assert kept.add_up([values, 1 - values]) == [values[codes].sum(), (1 - values)[codes].sum()]
        kept.cut(rows // 2)
        kept.append(codes[rows // 2 :])
        assert kept.all().tolist() == codes.tolist()
        patterns = find_patterns([codes])
        assert patterns.add_up([values[codes[patterns.first]]]) == kept.add_up([values])
