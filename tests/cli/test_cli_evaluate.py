"""`labeltune evaluate` and `labeltune thresholds`: argv to result, messages and exit code."""

from __future__ import annotations

import csv
import inspect
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import tasks
from cli.terminal import on_a_terminal
from labeltune.cli.app import app
from labeltune.cli.output import Bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.testing import Result

TOXIC = tasks.TOXIC_LABELS
TOXIC_HEADER = [
    "id",
    "comment_text",
    *TOXIC,
    *(f"predicted_{label}" for label in TOXIC),
    "answer",
    "problem",
    "confidence",
]


def run(*argv: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in argv])


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def toxic_row(name: object, true: str, pred: str, confidence: object = 0.9) -> list[object]:
    """A row from digits, such as `110000`; an empty `pred` is an invalid answer."""
    cells = [*pred] if pred else [""] * 6
    problem, sure = ("", confidence) if pred else ("off_list", "")
    return [name, f"text of {name}", *true, *cells, "answer", problem, sure]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.toml").write_text(tasks.TOXIC_TOML)
    return tmp_path


ROWS = [
    toxic_row(1, "100000", "100000", 0.99),
    toxic_row(2, "101000", "100000", 0.60),
    toxic_row(3, "000000", "000000", 0.95),
    toxic_row(4, "000000", "", None),
    toxic_row(5, "000010", "100000", 0.40),
]


def test_the_report_is_scikit_learns(here: Path) -> None:
    from sklearn.metrics import classification_report

    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv")
    assert result.exit_code == 0, result.stderr
    true = [[int(str(cell)) for cell in row[2:8]] for row in ROWS]
    pred = [[int(str(cell or 0)) for cell in row[8:14]] for row in ROWS]
    table = classification_report(true, pred, target_names=list(TOXIC), zero_division=0)
    assert f"toxicity\n{table}" in result.stdout
    assert "5 rows, 1 without a valid answer" in result.stdout
    assert "off_list 1" in result.stdout


def test_json_has_the_keys_of_the_contract(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv", "--json", "--bootstrap", 50)
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert (document["rows"], document["invalid"], document["invalid_rate"]) == (5, 1, 0.2)
    # Row 4 has no label and no valid answer: its vector matches, and it is wrong all the same.
    assert document["metrics"]["exact_match"] == 0.4
    names = {"exact_match", "micro_f1", "macro_f1", "weighted_f1", "samples_f1", "hamming_loss", "jaccard"}
    assert set(document["metrics"]) == names
    assert set(document["intervals"]) == names
    assert set(document["exact_intervals"]) == {"exact_match"}
    for name, interval in document["intervals"].items():
        assert interval["low"] <= document["metrics"][name] <= interval["high"]
    label = document["fields"]["toxicity"]["labels"]["toxic"]
    assert (label["precision"], label["recall"], label["support"]) == (2 / 3, 1.0, 2)
    assert document["fields"]["toxicity"]["confusion"]["toxic"] == {
        "true_positives": 2,
        "false_positives": 1,
        "false_negatives": 0,
        "true_negatives": 2,
    }
    assert document["comparisons"] == []


def test_the_same_seed_gives_the_same_bytes(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    first, again = (run("evaluate", "p.csv", "--json").stdout for _ in range(2))
    assert first == again
    assert run("evaluate", "p.csv", "--json", "--seed", 7).stdout != first


def test_two_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(tasks.INQUIRY_TOML)
    header = ["inquiry", "category", "sub_category", "predicted_category", "predicted_sub_category"]
    rows = [
        ["a", "Billing", "Refund", "Billing", "Refund"],
        ["b", "Billing", "Refund", "Billing", "Invoice"],
        ["c", "Order Management", "Cancellation", "Billing", "Cancellation"],
        ["d", "Order Management", "Tracking", "", ""],
        # Not a legal pair: no valid answer, whoever wrote it.
        ["e", "Order Management", "Tracking", "Order Management", "Refund"],
    ]
    write(Path("p.csv"), header, rows)
    document = json.loads(run("evaluate", "p.csv", "--json").stdout)
    assert document["problems"] == {"unknown": 1, "illegal_pair": 1}
    category, sub = (document["fields"][name]["metrics"] for name in ("category", "sub_category"))
    assert (category["accuracy"], sub["accuracy"], sub["path_accuracy"]) == (0.4, 0.4, 0.2)
    assert "path_accuracy" not in category
    # Levels of paths: 3 of the 6 predicted nodes are true ones, of 10.
    assert sub["hierarchical_precision"] == pytest.approx(3 / 6)
    assert sub["hierarchical_recall"] == pytest.approx(3 / 10)
    # Two single fields: neither's own metrics speak for the whole.
    assert "accuracy" not in document["metrics"]
    confusion = document["fields"]["category"]["confusion"]
    assert confusion["predicted"] == ["Order Management", "Billing", None]
    assert confusion["counts"] == [[0, 1, 2], [0, 2, 0]]


@pytest.mark.parametrize(
    ("gate", "exit_code"),
    [
        (("--fail-under", "macro_f1=0.99"), 11),
        (("--fail-under", "exact_match=0.4"), 0),
        (("--fail-over", "invalid_rate=0.19"), 11),
        (("--fail-over", "invalid_rate=0.2"), 0),
        (("--fail-under", "toxicity.micro_f1=0.99"), 11),
        (("--fail-under", "toxicity.toxic.recall=1"), 0),
        (("--fail-under", "macro_f2=0.5"), 2),
        (("--fail-under", "macro_f1"), 2),
        (("--fail-under", "macro_f1=high"), 2),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, tuple) else None,
)
def test_gates(here: Path, gate: tuple[str, str], exit_code: int) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv", *gate)
    assert result.exit_code == exit_code
    if exit_code == 11:
        assert "gate not met" in result.stderr
        assert "95 % interval" in result.stderr
        assert "toxicity" in result.stdout
    if exit_code == 2:
        assert result.stdout == ""


def test_a_failed_gate_leaves_one_document(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv", "--json", "-q", "--fail-under", "macro_f1=0.99")
    assert result.exit_code == 11
    assert json.loads(result.stdout)["gates"][0]["passed"] is False


def change(rows: list[list[object]], row: int, column: str, value: object) -> list[list[object]]:
    copy = [list(each) for each in rows]
    copy[row][TOXIC_HEADER.index(column)] = value
    return copy


@pytest.mark.parametrize(
    ("header", "rows", "messages"),
    [
        (
            TOXIC_HEADER[:8],
            [row[:8] for row in ROWS],
            [
                'p.csv:1: no column "predicted_toxic", ',
                "which predict adds",
                "a table that `predict` wrote",
            ],
        ),
        (
            [name for name in TOXIC_HEADER if name != "threat"],
            [row[:5] + row[6:] for row in ROWS],
            ["p.csv:1:", '"threat"'],
        ),
        (TOXIC_HEADER, [], ["p.csv", "no rows"]),
        (TOXIC_HEADER, change(ROWS, 1, "toxic", "yes"), ['p.csv:3: column "toxic" holds "yes"']),
        (TOXIC_HEADER, change(ROWS, 2, "predicted_threat", ""), ['p.csv:4: column "predicted_threat"']),
        (TOXIC_HEADER, change(ROWS, 0, "confidence", "nan"), ['p.csv:2: column "confidence" holds "nan"']),
        (TOXIC_HEADER, change(ROWS, 0, "confidence", "1.5"), ['p.csv:2: column "confidence" holds "1.5"']),
    ],
    ids=["no predictions", "no truth", "no rows", "truth", "half a prediction", "NaN", "confidence"],
)
def test_bad_tables(here: Path, header: list[str], rows: list[list[object]], messages: list[str]) -> None:
    write(here / "p.csv", header, rows)
    result = run("evaluate", "p.csv")
    assert result.exit_code == 7
    assert result.stdout == ""
    for message in messages:
        assert message in result.stderr


def test_an_unknown_label_is_named_with_its_line_and_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(tasks.INTENT_TOML)
    header = ["text", "label", "predicted_intent"]
    write(Path("p.csv"), header, [["a", "lost card", "lost card"], ["b", "lost card", "lost crad"]])
    result = run("evaluate", "p.csv")
    assert result.exit_code == 7
    assert 'p.csv:3: label "lost crad" is not in task.toml (did you mean "lost card"?)' in result.stderr


def test_all_answers_invalid(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, [toxic_row(name, "100000", "") for name in range(4)])
    document = json.loads(run("evaluate", "p.csv", "--json").stdout)
    assert document["invalid_rate"] == 1.0
    assert document["metrics"]["micro_f1"] == 0.0
    assert document["metrics"]["exact_match"] == 0.0
    assert document["calibration"] is None


SMALLEST = {
    "multi": (tasks.TOXIC_TOML, TOXIC_HEADER[1:14], ["a", *"100000", *"100000"], 6),
    "single": (tasks.INTENT_TOML, ["text", "label", "predicted_intent"], ["a", "lost card", "lost card"], 1),
    "two levels": (
        tasks.INQUIRY_TOML,
        ["inquiry", "category", "sub_category", "predicted_category", "predicted_sub_category"],
        ["a", "Billing", "Refund", "Billing", "Refund"],
        2,
    ),
}


@pytest.mark.parametrize("answered", [True, False], ids=["one row", "no answer"])
@pytest.mark.parametrize("kind", list(SMALLEST))
def test_the_smallest_tables_have_every_form(here: Path, kind: str, answered: bool) -> None:
    """Without confidences, and with one row, which is right or has no answer."""
    task, header, row, predicted = SMALLEST[kind]
    (here / "task.toml").write_text(task)
    write(here / "p.csv", header, [row if answered else [*row[:-predicted], *[""] * predicted]])
    result = run("evaluate", "p.csv", "--markdown", "p.md", "--html", "p.html", "--compare", "p.csv")
    assert result.exit_code == 0, result.stderr
    assert ("every answer valid" in result.stdout) == answered
    document = json.loads(run("evaluate", "p.csv", "--json").stdout)
    assert document["metrics"]["exact_match"] == float(answered)
    interval = document["exact_intervals"]["exact_match"]
    assert interval == pytest.approx({"low": 0.025, "high": 1.0} if answered else {"low": 0.0, "high": 0.975})
    assert document["calibration"] is None


def test_repeated_ids_are_told(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, [ROWS[0], ROWS[0]])
    result = run("evaluate", "p.csv")
    assert result.exit_code == 0
    assert '1 id occurs more than once, such as "1"' in result.stderr


def hostile_task(labels: list[str]) -> str:
    return tasks.INTENT_TOML.replace(
        '["card_arrival", "Refund_not_showing_up", "lost card"]', json.dumps(labels)
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["only one"],
        ["[/red]", "<script>alert(1)</script>", "{{7*7}}", "a|b", "\u202ecod", "it's"],
        [f"label {number}" for number in range(300)],
    ],
    ids=["one", "markup", "300"],
)
def test_unusual_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(hostile_task(labels), encoding="utf-8")
    rows = [[f"text {place}", label, labels[place // 2]] for place, label in enumerate(labels)]
    write(Path("p.csv"), ["text", "label", "predicted_intent"], rows)
    result = run("evaluate", "p.csv", "--markdown", "p.md", "--html", "p.html")
    assert result.exit_code == 0, result.stderr
    assert "\u202e" not in result.stdout
    assert len(Path("p.md").read_bytes()) <= 64_000
    for name in ("p.md", "p.html"):
        assert "<script>alert" not in Path(name).read_text(encoding="utf-8")
    document = json.loads(run("evaluate", "p.csv", "--json", "--bootstrap", 20).stdout)
    assert list(document["fields"]["intent"]["labels"]) == labels
    assert document["metrics"]["accuracy"] == pytest.approx(
        sum(label == labels[place // 2] for place, label in enumerate(labels)) / len(labels)
    )


def other_rows() -> list[list[object]]:
    """The same rows, answered better, in another order."""
    return [toxic_row(row[0], "".join(map(str, row[2:8])), "".join(map(str, row[2:8]))) for row in ROWS[::-1]]


def test_comparison(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    write(here / "q.csv", TOXIC_HEADER, other_rows())
    result = run("evaluate", "p.csv", "--compare", "q.csv", "--json")
    [comparison] = json.loads(result.stdout)["comparisons"]
    assert (comparison["other"], comparison["rows"]) == ("q.csv", 5)
    assert (comparison["mcnemar"]["won"], comparison["mcnemar"]["lost"]) == (0, 3)
    assert comparison["mcnemar"]["p"] == pytest.approx(0.25)
    assert comparison["differences"]["exact_match"]["difference"] == pytest.approx(-0.6)
    assert comparison["examples"]["won"] == []
    assert [one["line"] for one in comparison["examples"]["lost"]] == [3, 5, 6]
    assert comparison["examples"]["lost"][1] == {
        "line": 5,
        "id": "4",
        "text": "text of 4",
        "true": [],
        "predicted": None,
        "other": [],
    }
    text = run("evaluate", "p.csv", "--compare", "q.csv", "--markdown", "p.md").stdout
    assert "Compared with q.csv" in text
    assert 'lost: line 3 "text of 2": toxic, obscene; here toxic, there toxic, obscene' in text
    assert 'lost: line 5 "text of 4": no label; here off_list, there no label' in text
    assert "| lost | 3 | text of 2 | toxic, obscene | toxic | toxic, obscene |" in Path("p.md").read_text()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (other_rows()[1:], "lacks 1 row that"),
        ([*other_rows(), toxic_row(9, "000000", "000000")], "lacks 1 row that"),
        ([*other_rows(), other_rows()[0]], "already that of line"),
        (change(other_rows(), 0, "comment_text", "another text"), "q.csv:2: the text differs from"),
        (change(other_rows(), 0, "threat", "1"), "q.csv:2: the labels differ from"),
    ],
    ids=["missing", "more", "doubled", "text", "truth"],
)
def test_other_rows_are_not_compared(here: Path, rows: list[list[object]], message: str) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    write(here / "q.csv", TOXIC_HEADER, rows)
    result = run("evaluate", "p.csv", "--compare", "q.csv")
    assert result.exit_code == 7
    assert message in result.stderr


def test_fail_if_worse(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    many = [[f"{row[0]}-{copy}", *row[1:]] for copy in range(40) for row in ROWS]
    better = [[f"{row[0]}-{copy}", *row[1:]] for copy in range(40) for row in other_rows()]
    write(here / "p.csv", TOXIC_HEADER, many)
    write(here / "q.csv", TOXIC_HEADER, better)
    worse = run("evaluate", "p.csv", "--fail-if-worse", "q.csv")
    assert worse.exit_code == 11
    assert "gate not met: macro_f1 minus that of q.csv" in worse.stderr
    assert run("evaluate", "q.csv", "--fail-if-worse", "p.csv").exit_code == 0
    assert run("evaluate", "q.csv", "--fail-if-worse", "q.csv").exit_code == 0


def test_as_good_but_for_a_margin(here: Path) -> None:
    """Where few rows show nothing, a model is not shown to be as good; where many do, it is."""
    copies = {"few.csv": 2, "many.csv": 200}
    for name, count in copies.items():
        same = [[f"{row[0]}-{copy}", *row[1:]] for copy in range(count) for row in other_rows()]
        # One row in a hundred of the many has lost a label; one of the few.
        lost = [
            [*row[:8], *("0" for _ in row[8:14]), *row[14:]] if n % 100 == 0 else row
            for n, row in enumerate(same)
        ]
        write(here / f"new_{name}", TOXIC_HEADER, lost)
        write(here / name, TOXIC_HEADER, same)
    few = run("evaluate", "new_few.csv", "--fail-if-worse", "few.csv", "--margin", "0.05")
    assert few.exit_code == 11
    assert "asked for an interval that is all above -0.05" in few.stderr
    assert run("evaluate", "new_few.csv", "--fail-if-worse", "few.csv").exit_code == 0
    many = run("evaluate", "new_many.csv", "--fail-if-worse", "many.csv", "--margin", "0.05")
    assert (many.exit_code, "gate met: macro_f1 minus that of many.csv" in many.stderr) == (0, True), (
        many.stderr
    )
    assert run("evaluate", "new_many.csv", "--fail-if-worse", "many.csv", "--margin", "0").exit_code == 11
    alone = run("evaluate", "new_many.csv", "--margin", "0.05")
    assert (alone.exit_code, "name what --fail-if-worse is asked of" in alone.stderr) == (2, True)


def with_probabilities(rows: list[list[object]], mark: str = "") -> list[list[object]]:
    """Probabilities of 0.3 for labels that are there and 0.1 for others: too low for one half, yet right."""
    return [
        [*row[:1], f"{mark}{row[1]}", *row[2:], *(0.3 if cell == "1" else 0.1 for cell in row[2:8])]
        for row in rows
    ]


def test_thresholds_are_chosen_applied_and_not_reported_on(here: Path) -> None:
    header = [*TOXIC_HEADER, *(f"probability_{label}" for label in TOXIC)]
    write(here / "validation.csv", header, with_probabilities(ROWS))
    write(here / "test.csv", header, with_probabilities(ROWS, "other "))
    chosen = run("thresholds", "validation.csv", "-o", "t.toml")
    assert (chosen.exit_code, chosen.stdout) == (0, "t.toml\n"), chosen.stderr
    assert 'toxic" = 0.2\n' in Path("t.toml").read_text()
    plain = json.loads(run("evaluate", "test.csv", "--json").stdout)
    tuned = run("evaluate", "test.csv", "--json", "--thresholds", "t.toml")
    document = json.loads(tuned.stdout)
    assert plain["metrics"]["micro_f1"] < 0.6
    # Only the row without a valid answer is missed.
    assert (document["metrics"]["micro_f1"], document["metrics"]["exact_match"]) == (1.0, 0.8)
    assert "tuned on validation.csv (5 rows)" in document["thresholds"]
    # Rows 2 and 5 are predicted anew, so the confidence of their answer is not that of their labels.
    assert (plain["calibration"]["rows"], document["calibration"]["rows"]) == (4, 2)
    refused = run("evaluate", "validation.csv", "--thresholds", "t.toml")
    assert refused.exit_code == 7
    assert "tuned on these rows" in refused.stderr
    # The same rows in another file are known again.
    write(here / "copy.csv", header, with_probabilities(ROWS)[::-1])
    assert run("evaluate", "copy.csv", "--thresholds", "t.toml").exit_code == 7


def test_where_thresholds_go(here: Path) -> None:
    import tomllib

    header = [*TOXIC_HEADER, *(f"probability_{label}" for label in TOXIC)]
    before = write(here / "v.csv", header, with_probabilities(ROWS)).read_bytes()
    printed = tomllib.loads(run("thresholds", "v.csv", "-o", "-").stdout)
    assert printed["tuned_on"]["file"] == "v.csv"
    for argv, message in (
        (["-o", "v.csv"], "v.csv: is an input"),
        (["-o", "task.toml"], "task.toml: is an input"),
        (["-o", "-", "--json"], "would both write to standard output"),
    ):
        result = run("thresholds", "v.csv", *argv)
        assert result.exit_code == 2
        assert message in result.stderr
    assert (here / "v.csv").read_bytes() == before


def test_thresholds_need_probabilities(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("thresholds", "p.csv")
    assert result.exit_code == 7
    assert "probability_toxic" in result.stderr
    assert not Path("thresholds.toml").exists()


def test_rows_for_review_come_least_sure_first(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv", "--review-below", "0.95", "--json")
    assert "wrote review.csv: 3 rows below 0.95" in result.stderr
    rows = list(csv.DictReader(Path("review.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["id"] for row in rows] == ["4", "5", "2"]
    document = json.loads(result.stdout)
    assert document["reviewed"] == 3
    coverage = {line["limit"]: line for line in document["calibration"]["coverage"]}
    assert coverage[0.95] == {
        "limit": 0.95,
        "kept": 2,
        "review": 3,
        "accuracy": 1.0,
        "interval": {"low": pytest.approx(0.1581, abs=1e-4), "high": 1.0},
        "errors_found": 3,
    }


@pytest.mark.parametrize(
    "argv", [["--html", "-"], ["--markdown", "-"], ["--review-below", "0.5", "--review-output", "-"]]
)
def test_standard_output_is_for_the_report(here: Path, argv: list[str]) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    result = run("evaluate", "p.csv", *argv)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "standard output carries the report" in result.stderr


def test_without_being_asked_nothing_is_written(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    assert run("evaluate", "p.csv").exit_code == 0
    assert sorted(path.name for path in here.iterdir()) == ["p.csv", "task.toml"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--html", "p.csv"], "p.csv: is an input, which is never overwritten"),
        (["--markdown", "link.csv"], "link.csv: is an input"),
        (["--compare", "q.csv", "--review-below", "0.5", "--review-output", "q.csv"], "q.csv: is an input"),
        (["--html", "task.toml"], "task.toml: is an input"),
        (["--html", "report", "--markdown", "report"], "report: two results would be written to it"),
    ],
)
def test_an_input_is_never_overwritten(here: Path, argv: list[str], message: str) -> None:
    for name in ("p.csv", "q.csv"):
        write(here / name, TOXIC_HEADER, ROWS)
    (here / "link.csv").symlink_to("p.csv")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    result = run("evaluate", "p.csv", *argv)
    assert result.exit_code == 2
    assert message in result.stderr
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize("option", ["--html", "--markdown", "--review-output"])
def test_a_folder_that_is_not_there_is_told_before_any_work(here: Path, option: str) -> None:
    write(here / "p.csv", ["no", "such", "columns"], [[1, 2, 3]])
    result = run("evaluate", "p.csv", option, "no/such/file", "--review-below", 0.5)
    assert (result.exit_code, result.stdout) == (8, "")
    assert "no/such/file: there is no such folder" in result.stderr


def test_probabilities_that_are_not_complete_are_told(here: Path) -> None:
    header = [*TOXIC_HEADER, "probability_toxic", "probability_threat"]
    write(here / "p.csv", header, [[*row, 0.5, 0.5] for row in ROWS])
    result = run("evaluate", "p.csv", "--json")
    assert result.exit_code == 0
    assert 'there is no column "probability_severe_toxic" (nor 3 more)' in result.stderr
    assert json.loads(result.stdout)["fields"]["toxicity"].get("probabilities") is None


@pytest.mark.parametrize(
    ("bar", "drawn"),
    [
        (Bar(0.5, 0.25, 0.75), "##==--  "),
        (Bar(1.0, 1.0, 1.0), "########"),
        (Bar(0.0, 0.0, 0.0), "        "),
        (Bar(-0.2, -0.4, 0.13), "-       "),
        # An interval of a report holds its figure; what draws it does not depend on that.
        (Bar(0.5, 0.6, 0.7), "#####-  "),
    ],
)
def test_a_bar_is_darkest_where_the_figure_is_sure(bar: Bar, drawn: str) -> None:
    assert bar.drawn(8, "#=-") == drawn


def test_a_terminal_shows_the_same_figures_with_bars(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    plain = on_a_terminal(["evaluate", "p.csv", "--all"], NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.splitlines()) <= 80
    [toxic] = [line for line in plain.splitlines() if line.startswith(" toxic ")]
    assert toxic.split()[:5] == ["toxic", "0.67", "1.00", "0.80", "2"]
    assert "█" in toxic or "▓" in toxic
    piped = run("evaluate", "p.csv").stdout
    for line in piped.splitlines():
        if " avg " in line:
            assert line.split() in [shown.split() for shown in plain.splitlines()]
    coloured = on_a_terminal(["evaluate", "p.csv", "--all"], NO_COLOR="")
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[36m" in coloured
    # Where the terminal cannot show the shades, there are others.
    assert "#" in on_a_terminal(["evaluate", "p.csv"], NO_COLOR="1", PYTHONIOENCODING="ascii:replace")


MANY = [f"topic {number}" for number in range(14)]


@pytest.fixture
def many(here: Path) -> Path:
    """Fourteen labels; of each `topic N`, N of 14 rows are taken for the one before."""
    text = tasks.INTENT_TOML.replace(
        '["card_arrival", "Refund_not_showing_up", "lost card"]', json.dumps(MANY)
    )
    (here / "task.toml").write_text(text)
    rows = [
        [f"a text of {label}", label, MANY[place - 1] if number < place else label, 0.9]
        for place, label in enumerate(MANY)
        for number in range(14)
    ]
    write(here / "p.csv", ["text", "label", "predicted_intent", "confidence"], rows)
    return here


def test_a_terminal_begins_with_the_summary_and_ends_with_how_to_see_the_rest(many: Path) -> None:
    shown = on_a_terminal(["evaluate", "p.csv", "--fail-under", "macro_f1=0.1"], NO_COLOR="1").splitlines()
    assert shown[0].startswith("105 of 196 texts got the right label: 54 % (")
    gate = next(place for place, line in enumerate(shown) if line.startswith("gate met: macro_f1 is"))
    accuracy = next(place for place, line in enumerate(shown) if line.startswith(" accuracy "))
    labels = [line.split()[1] for line in shown if re.match(r" topic \d+ +\d\.\d\d ", line)]
    confused = [re.split(r"  +", line.strip()) for line in shown if re.match(r" topic \d+ +topic ", line)]
    assert gate < accuracy < next(place for place, line in enumerate(shown) if line.startswith(" topic "))
    scores = {name: found["f1"] for name, found in _labels_of("p.csv").items()}
    assert [f"topic {name}" for name in labels] == sorted(scores, key=lambda name: scores[name])[:10]
    assert confused == [[f"topic {n}", f"topic {n - 1}", str(n)] for n in range(13, 3, -1)]
    assert shown[-1] == "… 4 more labels: --all"
    everything = on_a_terminal(["evaluate", "p.csv", "--all"], NO_COLOR="1")
    assert len(re.findall(r"(?m)^ topic \d+ +\d\.\d\d ", everything)) == 14
    assert len(re.findall(r"(?m)^ topic \d+ +topic ", everything)) == 13
    assert "macro avg" in everything
    assert "--all" not in everything


def _labels_of(path: str) -> dict[str, dict[str, float]]:
    document = json.loads(run("evaluate", path, "--json", "--bootstrap", 0).stdout)
    found: dict[str, dict[str, float]] = document["fields"]["intent"]["labels"]
    return found


def test_gates_have_their_colour_on_a_terminal_only(many: Path) -> None:
    argv = ["evaluate", "p.csv", "--bootstrap", "0", "--fail-under", "macro_f1=0.1"]
    coloured = on_a_terminal(argv, NO_COLOR="")
    assert re.search("\x1b\\[32m[^\n]*gate met: macro_f1", re.sub("\x1b\\[49m", "", coloured))
    assert "\x1b" not in on_a_terminal(argv, NO_COLOR="1")
    assert "\x1b" not in run(*argv).stdout


def test_a_pipe_gets_the_whole_text_with_all_and_without(many: Path) -> None:
    whole = run("evaluate", "p.csv").stdout
    assert whole == run("evaluate", "p.csv", "--all").stdout
    assert whole.startswith("105 of 196 texts got the right label: 54 % (")
    assert len(re.findall(r"(?m)^ *topic \d+ ", whole)) == 14


@pytest.mark.parametrize("columns", ["60", "80", "120", "200"])
def test_no_line_is_wider_than_the_terminal_and_no_column_lost(many: Path, columns: str) -> None:
    shown = on_a_terminal(["evaluate", "p.csv"], NO_COLOR="1", COLUMNS=columns)
    assert max(map(len, shown.splitlines())) <= int(columns)
    for heading in ("precision", "support", "true", "predicted", "rows"):
        assert re.search(rf"(?m)^ .*\b{heading}\b", shown), heading


def test_without_texts_no_form_has_a_word_of_a_row(here: Path) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    write(here / "q.csv", TOXIC_HEADER, other_rows())
    forms = ("--compare", "q.csv", "--html", "p.html", "--markdown", "p.md")
    shown = run("evaluate", "p.csv", *forms)
    assert all("text of 2" in text for text in (shown.stdout, read("p.html"), read("p.md")))
    hidden = run("evaluate", "p.csv", *forms, "--no-texts")
    document = run("evaluate", "p.csv", "--compare", "q.csv", "--no-texts", "--json").stdout
    for text in (hidden.stdout, read("p.html"), read("p.md"), document):
        assert "text of" not in text
    assert "Their texts are left out." in read("p.html")
    assert json.loads(document)["comparisons"][0]["examples"]["lost"][0]["text"] is None


def read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def test_the_title_has_the_day_of_the_predictions(here: Path) -> None:
    path = write(here / "p.csv", TOXIC_HEADER, ROWS)
    os.utime(path, (1_769_800_000, 1_769_800_000))
    assert run("evaluate", "p.csv", "--html", "p.html").exit_code == 0
    title = re.search("<title>(.*)</title>", read("p.html"))
    assert title is not None
    assert title[1] == "toxicity (6 labels), from task.toml · p.csv, 5 rows · 2026-01-30"


EVENTS = {
    "events": [
        {"message": "Created", "metrics": {}},
        {"message": "Step 1", "metrics": {"step": 1, "train_loss": 2.0, "total_steps": 2}},
        {"message": "Step 2", "metrics": {"step": 2, "train_loss": 0.5, "valid_loss": 0.7}},
    ]
}


@pytest.mark.parametrize(
    "content",
    [json.dumps(EVENTS), "step,train_loss,valid_loss\n1,2.0,\n2,0.5,0.7\n3,nan,\n"],
    ids=["events", "result file"],
)
def test_the_page_shows_how_the_training_went(here: Path, content: str) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    (here / "job").write_text(content)
    result = run("evaluate", "p.csv", "--html", "p.html", "--training", "job")
    assert result.exit_code == 0, result.stderr
    page = Path("p.html").read_text(encoding="utf-8")
    assert "From job." in page
    # From the top left, where the loss is highest, to the bottom right.
    assert 'points="0.0,0.0 300.0,200.0"' in page
    assert "total_steps" not in page


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"events": []}', "job: there are no figures by step"),
        ('{"jobs": []}', "job: these are no events of a job"),
        ('{"events": ', "job: these are no events of a job"),
        ("step,loss\n1,low\n", "job:2: expected numbers by step"),
        ("loss\n1\n", 'job:1: there is no column "step"'),
    ],
)
def test_what_says_nothing_about_a_training(here: Path, content: str, message: str) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    (here / "job").write_text(content)
    result = run("evaluate", "p.csv", "--html", "p.html", "--training", "job")
    assert result.exit_code == 7
    assert message in result.stderr
    assert not Path("p.html").exists()


def test_github_summary_and_annotations(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    assert run("evaluate", "p.csv", "--github").exit_code == 2
    summary = here / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = run("evaluate", "p.csv", "--github", "--fail-under", "macro_f1=0.9")
    assert result.exit_code == 11
    assert summary.read_text().startswith("before\n### p\\.csv")
    assert "::error title=Quality gate::gate not met: macro_f1" in result.stderr
    summary.write_text("x" * 899_999)
    result = run("evaluate", "p.csv", "--github")
    assert "::warning title=Evaluation::" in result.stderr
    assert "no room left" in result.stderr
    assert len(summary.read_text()) == 899_999


def test_annotations_are_a_result_not_a_story(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -q and with --json too, and standard output stays what it is."""
    write(here / "p.csv", TOXIC_HEADER, [*ROWS, ROWS[0]])
    write(here / "q.csv", TOXIC_HEADER, other_rows())
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    quiet = run("evaluate", "p.csv", "-q", "--github", "--fail-under", "macro_f1=0.9")
    assert quiet.exit_code == 11
    assert quiet.stderr.splitlines()[:-1] == [
        f"::error title=Quality gate::{quiet.stderr.splitlines()[-1].removeprefix('error: ').replace('%', '%25')}",
        '::warning title=Evaluation::p.csv: 1 id occurs more than once, such as "1"',
    ]
    write(here / "p.csv", TOXIC_HEADER, ROWS)
    document = run("evaluate", "p.csv", "-q", "--json", "--github", "--compare", "q.csv")
    assert document.stderr.startswith("::notice title=Comparison::")
    assert json.loads(document.stdout)["rows"] == 5


def test_defaults_are_those_of_the_library() -> None:
    from labeltune.cli.evaluate import evaluate
    from labeltune.evaluation.metrics.quality import BOOTSTRAP, SEED

    parameters: Any = inspect.signature(evaluate).parameters
    assert (parameters["bootstrap"].default, parameters["seed"].default) == (BOOTSTRAP, SEED)
