"""Unsure answers: the confidence that `thresholds` chooses for single fields, in predict, evaluate and its reports."""

from __future__ import annotations

import csv
import json
import random
import tomllib
from pathlib import Path

import pytest

import tasks
from cli.remote import document, here, ran, run
from labeltune.files.unsure import Unsure, sureness
from labeltune.task import parse_task

__all__ = ["here"]

LABELS = tasks.INTENT.labels
HEADER = ["text", "label", "predicted_intent", "answer", "problem", "confidence"]

MIXED = parse_task(
    tasks.intent_toml("a", "b")
    .replace(
        "[prompt]",
        '[[field]]\nname = "mood"\ntype = "multi"\ncolumn = "mood"\ndelimiter = "|"\nlabels = ["x", "y"]\n\n[prompt]',
    )
    .replace('format = "label"', 'format = "json"')
)


def write(path: Path, rows: list[list[object]], header: list[str] = HEADER) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])


def predicted(name: str, sure: int, doubtful: int, *, right: int) -> list[list[object]]:
    """So many rows of confidence 0.9, all right; so many of 0.4, of which `right` are; and an invalid one."""
    kinds = [(0.9, True)] * sure + [(0.4, place < right) for place in range(doubtful)]
    rows: list[list[object]] = [
        [f"{name} {row}", LABELS[0], LABELS[0 if good else 1], "said", "", confidence]
        for row, (confidence, good) in enumerate(kinds)
    ]
    return [*rows, [f"{name} invalid", LABELS[0], "", "no idea", "off_list", 0.99]]


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def chosen(here: Path) -> Path:
    """A folder with thresholds, and predictions for other rows."""
    write(here / "v.csv", predicted("validation", 200, 100, right=50))
    write(here / "p.csv", predicted("test", 60, 40, right=30))
    ran("thresholds", "v.csv", "-o", "t.toml")
    return here


def test_the_confidence_is_chosen_and_written(here: Path) -> None:
    write(here / "v.csv", predicted("validation", 200, 100, right=50))
    done = ran("thresholds", "v.csv", "-o", "t.toml", "--json")
    found = document(done)
    assert found["fields"] == {}
    assert found["objective"] == "coverage at accuracy >= 0.95"
    assert found["unsure"] | {"interval": None} == {
        "below": 0.65,
        "accuracy": 0.95,
        "probability": 0.95,
        "rows": 301,
        "sure": 200,
        "right": 200,
        "interval": None,
    }
    assert "200 of 301 rows are sure" in done.stderr
    assert "at least 0.95 of the sure answers are right, with probability 0.95" in done.stderr
    written = tomllib.loads(Path("t.toml").read_text(encoding="utf-8"))
    assert written["unsure"] == {"below": 0.65, "accuracy": 0.95, "probability": 0.95}
    # Less is promised of more rows: 250 of 300 are right.
    lower = document(ran("thresholds", "v.csv", "-o", "t.toml", "--accuracy", "0.75", "--json"))
    assert lower["unsure"]["sure"] == 300


def test_where_no_confidence_keeps_the_promise(here: Path) -> None:
    write(here / "v.csv", predicted("validation", 40, 20, right=10))
    result = run("thresholds", "v.csv", "-o", "t.toml")
    assert result.exit_code == 11
    assert "of 60 valid answers with a confidence 50 are right" in result.stderr
    assert not Path("t.toml").exists()
    write(here / "v.csv", predicted("validation", 30, 0, right=0))
    assert "at least 59, all right, are needed" in run("thresholds", "v.csv", "-o", "t.toml").stderr


def test_the_report_has_the_accuracy_with_and_without_them(chosen: Path) -> None:
    argv = ["evaluate", "p.csv", "--thresholds", "t.toml", "--html", "r.html", "--markdown", "r.md"]
    found = document(ran(*argv, "--json"))
    assert (found["invalid"], found["problems"]) == (1, {"off_list": 1})
    assert found["metrics"]["accuracy"] == pytest.approx(90 / 101)
    unsure = found["unsure"]
    assert (unsure["rows"], unsure["below"]) == (40, 0.65)
    assert unsure["promised"] == {"accuracy": 0.95, "probability": 0.95}
    shares = {name: unsure[name] for name in ("coverage", "accuracy", "accuracy_of_all")}
    assert {name: (one["rows"], one["of"]) for name, one in shares.items()} == {
        "coverage": (60, 101),
        "accuracy": (60, 60),
        "accuracy_of_all": (90, 101),
    }
    # Clopper and Pearson's: 0.025 to the power of 1 / 60.
    assert shares["accuracy"]["interval"] == {"low": pytest.approx(0.025 ** (1 / 60)), "high": 1.0}
    assert [line["kept"] for line in found["calibration"]["coverage"] if line["limit"] == 0.65] == [60]
    text = ran("evaluate", "p.csv", "--thresholds", "t.toml").stdout
    said = "Unsure answers: 40, below 0.65 (chosen so that 95.00 % of the others are right)."
    assert said in text
    assert "60 of 60, 100.00 % (94.04 to 100.00 %) are right" in text
    assert "%); of these 60 of 60, " in text
    assert "90 of 101, 89.11 %" in text
    assert "Answers are unsure by the thresholds of t.toml, tuned on v.csv (301 rows)." in text
    assert "Unsure answers&#58; 40" in Path("r.md").read_text(encoding="utf-8")
    assert "Unsure answers: 40" in Path("r.html").read_text(encoding="utf-8")
    # Without thresholds nothing is unsure.
    assert document(ran("evaluate", "p.csv", "--json"))["unsure"] is None


def test_the_first_sentence_measures_what_is_sure_by_a_limit_from_other_rows(chosen: Path) -> None:
    found = document(ran("evaluate", "p.csv", "--thresholds", "t.toml", "--json"))
    checked, unsure = found["headline"]["checked"], found["unsure"]
    assert (checked["chosen"], checked["promised"]) == ("unsure", None)
    assert checked["rest"] == unsure["accuracy"]
    assert checked["rows"] == found["rows"] - unsure["coverage"]["rows"] > 0
    assert f"If people check the {checked['rows']} least sure, " in found["headline"]["text"]
    # Without a limit from elsewhere, only what is promised of new rows.
    assert document(ran("evaluate", "p.csv", "--json"))["headline"]["checked"]["chosen"] != "unsure"


def test_gates_on_what_is_sure(chosen: Path) -> None:
    argv = ("evaluate", "p.csv", "--thresholds", "t.toml", "--json", "--fail-under")
    assert run(*argv, "sure_accuracy=0.99").exit_code == 0
    assert run(*argv, "coverage=0.6").exit_code == 11
    without = run("evaluate", "p.csv", "--fail-under", "coverage=0.5")
    assert without.exit_code == 2
    assert "it needs answers that are unsure" in without.stderr


def test_unsure_rows_are_for_review_whatever_the_limit(chosen: Path) -> None:
    argv = ["evaluate", "p.csv", "--thresholds", "t.toml", "--json"]
    assert document(ran(*argv, "--review-below", "0"))["reviewed"] == 41
    problems = [row["problem"] for row in rows_of("review.csv")]
    assert problems == ["off_list", *["unsure"] * 40]
    assert document(ran(*argv, "--review-below", "0.95"))["reviewed"] == 101


def test_what_these_rows_chose_is_not_reported_on_them(chosen: Path) -> None:
    refused = run("evaluate", "v.csv", "--thresholds", "t.toml")
    assert refused.exit_code == 7
    assert "tuned on these rows" in refused.stderr


def test_a_table_that_says_unsure_is_read_with_its_labels(chosen: Path) -> None:
    rows = predicted("test", 60, 40, right=30)
    for row in rows:
        row[4] = "unsure" if row[5] == 0.4 else row[4]
    write(chosen / "said.csv", rows)
    plain, said = (document(ran("evaluate", name, "--json")) for name in ("p.csv", "said.csv"))
    assert said["metrics"] == plain["metrics"]
    assert said["problems"] == {"off_list": 1}
    assert (said["unsure"]["rows"], said["unsure"]["below"], said["unsure"]["promised"]) == (40, None, None)
    # Row by row as in blocks: a mark of a spreadsheet has the table read by rows.
    write(chosen / "marked.csv", [*rows[:-1], ["'=1+1", *rows[-1][1:]]])
    assert document(ran("evaluate", "marked.csv", "--json"))["unsure"]["rows"] == 40


def test_predict_names_them_and_keeps_their_labels(here: Path) -> None:
    source = random.Random(1)
    for name, rows in (("train", 90), ("validation", 400), ("test", 80)):
        with (here / f"{name}.csv").open("w", encoding="utf-8") as handle:
            handle.write("text,label\n")
            for row in range(rows):
                label = source.choice(LABELS)
                hint = label if source.random() < 0.7 else "thing"
                handle.write(f"{name} {row}: my {hint} please,{label}\n")
    made = document(ran("baseline", "train.csv", "validation.csv", "-o", "v.csv", "--json"))
    below = document(ran("thresholds", "v.csv", "-o", "t.toml", "--json"))["unsure"]["below"]
    ran("predict", "test.csv", "--model", made["model"], "-o", "plain.csv")
    done = document(
        ran(
            "predict",
            "test.csv",
            "--model",
            made["model"],
            "-o",
            "tuned.csv",
            "--thresholds",
            "t.toml",
            "--json",
        )
    )
    plain, tuned = rows_of("plain.csv"), rows_of("tuned.csv")
    assert [row | {"problem": ""} for row in tuned] == plain
    doubted = [float(row["confidence"]) < below for row in plain]
    assert [row["problem"] for row in tuned] == ["unsure" if doubt else "" for doubt in doubted]
    assert 0 < sum(doubted) < len(doubted)
    assert (done["unsure"], done["invalid"], done["valid"], done["problems"]) == (sum(doubted), 0, 80, {})
    # What evaluate makes of the plain predictions with the same file.
    one = document(ran("evaluate", "plain.csv", "--thresholds", "t.toml", "--json"))
    other = document(ran("evaluate", "tuned.csv", "--json"))
    for name in ("rows", "coverage", "accuracy", "accuracy_of_all"):
        assert one["unsure"][name] == other["unsure"][name]


def test_both_levels_of_a_path_count(here: Path) -> None:
    (here / "task.toml").write_text(tasks.INQUIRY_TOML)
    header = ["inquiry", "category", "sub_category", "predicted_category", "predicted_sub_category"]
    rows: list[list[object]] = [
        [f"text {row}", "Billing", "Refund", "Billing", "Refund" if row < 150 else "Invoice", "", conf]
        for row, conf in enumerate([0.8] * 150 + [0.3] * 50)
    ]
    write(here / "v.csv", rows, [*header, "problem", "confidence"])
    found = document(ran("thresholds", "v.csv", "--json"))["unsure"]
    assert (found["sure"], found["right"]) == (150, 150)


@pytest.mark.parametrize(
    ("task", "argv", "message"),
    [
        (tasks.EMOTION_TOML, ["--accuracy", "0.9"], "--accuracy is for single fields"),
        (tasks.INTENT_TOML, ["--min-precision", "0.9"], "--min-precision is for multi fields"),
        (tasks.INTENT_TOML, ["--accuracy", "1"], "expected a number between 0 and 1"),
    ],
)
def test_options_about_fields_that_the_task_has_not(
    here: Path, task: str, argv: list[str], message: str
) -> None:
    (here / "task.toml").write_text(task)
    write(here / "v.csv", predicted("validation", 60, 0, right=0))
    result = run("thresholds", "v.csv", *argv)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_confidences_nothing_is_chosen(here: Path) -> None:
    write(here / "v.csv", [[*row[:5], ""] for row in predicted("validation", 60, 0, right=0)])
    result = run("thresholds", "v.csv")
    assert result.exit_code == 7
    assert "no valid answer has a confidence" in result.stderr


def test_a_file_for_another_kind_of_task_is_refused(chosen: Path) -> None:
    (chosen / "multi.toml").write_text(tasks.EMOTION_TOML)
    (chosen / "test.csv").write_text("text\na\n")
    result = run("predict", "test.csv", "--model", "m", "-t", "multi.toml", "--thresholds", "t.toml")
    assert result.exit_code == 2
    assert "[unsure] is about single fields" in result.stderr
    broken = Path("t.toml").read_text(encoding="utf-8").replace("below = 0.65", 'below = "a"')
    Path("t.toml").write_text(broken, encoding="utf-8")
    assert "not as `thresholds` writes it" in run("evaluate", "p.csv", "--thresholds", "t.toml").stderr


@pytest.mark.parametrize(
    ("confidence", "shares", "sure"),
    [
        (0.9, [0.8, 0.2, 0.1, 0.7], 0.8),
        (None, [0.8, 0.2, None, None], 0.8),
        (0.9, [None, 0.2, 0.1, 0.7], None),
    ],
)
def test_beside_multi_fields_the_single_ones_count(
    confidence: float | None, shares: list[float | None], sure: float | None
) -> None:
    assert sureness(MIXED, (("a",), ("y",)), confidence, shares) == sure


def test_one_level_is_as_sure_as_the_whole_answer() -> None:
    assert sureness(tasks.INTENT, ((LABELS[0],),), 0.7, [None] * 3) == 0.7
    limit = Unsure(below=0.7, accuracy=0.95, probability=0.95)
    assert [limit.doubts(sure) for sure in (0.7, 0.69, None)] == [False, True, True]


def test_a_task_of_both_kinds_gets_both(here: Path) -> None:
    (here / "task.toml").write_text(
        tasks.intent_toml("a", "b")
        .replace(
            "[prompt]",
            '[[field]]\nname = "mood"\ntype = "multi"\ncolumn = "mood"\ndelimiter = "|"\n'
            'labels = ["x", "y"]\n\n[prompt]',
        )
        .replace('format = "label"', 'format = "json"')
    )
    header = ["text", "label", "mood", "predicted_intent", "predicted_x", "predicted_y", "problem"]
    header += ["confidence", *(f"probability_{label}" for label in "abxy")]
    # The whole answer is never sure, but the single field is on the first 100 rows, all right.
    rows: list[list[object]] = [
        [f"v {row}", "a", "x", "a" if row < 100 else "b", 1, 0, "", 0.1, *shares, 0.9, 0.2]
        for row, shares in enumerate([(0.9, 0.1)] * 100 + [(0.4, 0.6)] * 60)
    ]
    write(here / "v.csv", rows, header)
    labels_only = document(ran("thresholds", "v.csv", "-o", "t.toml", "--json"))
    assert labels_only["unsure"] is None
    both = document(ran("thresholds", "v.csv", "-o", "t.toml", "--accuracy", "0.9", "--json"))
    assert both["unsure"]["below"] == 0.75
    assert both["objective"] == "f1"
    assert both["fields"]["mood"]["x"] == labels_only["fields"]["mood"]["x"]
    write(here / "p.csv", [[f"other {row[0]}", *row[1:]] for row in rows], header)
    found = json.loads(ran("evaluate", "p.csv", "--thresholds", "t.toml", "--json").stdout)
    assert found["unsure"]["rows"] == 60
    assert (found["unsure"]["accuracy"]["rows"], found["unsure"]["accuracy"]["of"]) == (100, 100)
