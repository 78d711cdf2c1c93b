"""What a review file says beside the answers, and where what people fill in goes; and whose rows are measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from tasks import INQUIRY, INQUIRY_TOML, TOXIC_LABELS, TOXIC_TOML, intent_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.testing import Result

LABELS = ("refund", "card", "other")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(intent_toml(*LABELS))


def run(*argv: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in argv])


def write(name: str, header: Sequence[str], *rows: Sequence[object]) -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([header, *rows])


def read(name: str) -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


PREDICTED = ("text", "label", "predicted_intent", "answer", "problem", "confidence")
SHARES = tuple(f"probability_{label}" for label in LABELS)


def test_the_second_label_and_a_place_for_the_right_one() -> None:
    write(
        "p.csv",
        (*PREDICTED, *SHARES),
        ("a", "refund", "refund", "refund", "", 0.5, 0.5, 0.3, 0.2),
        ("b", "card", "", "what", "off_list", "", "", "", ""),
        ("c", "card", "card", "card", "", 0.45, "", "", ""),
    )
    assert run("evaluate", "p.csv", "--review-below", 0.9).exit_code == 0
    rows = read("review.csv")
    assert list(rows[0])[-3:] == ["second_label", "second_confidence", "correct_label"]
    found = {
        row["text"]: (row["second_label"], row["second_confidence"], row["correct_label"]) for row in rows
    }
    assert found == {"a": ("card", "0.3", ""), "b": ("", "", ""), "c": ("", "", "")}


def test_without_probabilities_there_is_the_place_alone() -> None:
    write("p.csv", PREDICTED, ("a", "refund", "refund", "refund", "", 0.5))
    run("evaluate", "p.csv", "--review-below", 0.9)
    assert list(read("review.csv")[0]) == [*PREDICTED, "correct_label"]


def test_several_labels_show_the_prediction_with_its_least_certain_label_turned() -> None:
    Path("task.toml").write_text(TOXIC_TOML)
    header = [
        *("id", "comment_text", *TOXIC_LABELS),
        *(f"predicted_{label}" for label in TOXIC_LABELS),
        *("answer", "problem", "confidence"),
        *(f"probability_{label}" for label in TOXIC_LABELS),
    ]
    shares = (0.9, 0.1, 0.55, 0.0, 0.3, 0.0)
    write("p.csv", header, ("1", "x", *"100000", *"101000", "toxic,obscene", "", 0.4, *shares))
    run("evaluate", "p.csv", "--review-below", 0.9)
    (row,) = read("review.csv")
    assert (row["second_labels"], row["second_confidence"], row["correct_labels"]) == ("toxic", "0.45", "")


def test_a_path_s_second_is_a_legal_path() -> None:
    Path("task.toml").write_text(INQUIRY_TOML)
    labels = [label for field in INQUIRY.fields for label in field.labels]
    header = [
        *("inquiry", "category", "sub_category", "predicted_category", "predicted_sub_category"),
        *("answer", "problem", "confidence"),
        *(f"probability_{label}" for label in labels),
    ]
    # Of "Cancellation" there are two: the one under the likelier parent is the answer.
    shares = (0.7, 0.3, 0.6, 0.1, 0.25, 0.05)
    answer = ("Order Management", "Cancellation")
    write("p.csv", header, ("x", *answer, *answer, "{}", "", 0.5, *shares))
    run("evaluate", "p.csv", "--review-below", 0.9)
    (row,) = read("review.csv")
    assert (row["second_label"], row["second_confidence"]) == ("Billing > Cancellation", "0.6")


def test_what_people_fill_in_goes_into_the_table() -> None:
    write("train.csv", ("text", "label"), ("a", "card"), ("z", "other"))
    write(
        "p.csv",
        (*PREDICTED, *SHARES),
        ("a", "card", "refund", "refund", "", 0.5, 0.5, 0.3, 0.2),
        ("new", "other", "other", "other", "", 0.4, 0.3, 0.3, 0.4),
    )
    run("evaluate", "p.csv", "--review-below", 0.9)
    rows = read("review.csv")
    for row in rows:
        row["correct_label"] = row["predicted_intent"]
    write("review.csv", [*rows[0]], *([*row.values()] for row in rows))
    result = run("merge", "review.csv", "train.csv", "-o", "train2.csv", "--json")
    assert json.loads(result.stdout) == {
        "schema_version": 1,
        "output": "train2.csv",
        "joined_by": "text",
        "rows": 2,
        "changed": 1,
        "confirmed": 0,
        "added": 1,
        "empty": 0,
        "not_found": [],
        "changes": [{"from": "card", "to": "refund", "count": 1}],
    }
    assert Path("train2.csv").read_text() == "text,label\na,refund\nz,other\nnew,other\n"


def test_merge_tells_what_it_did() -> None:
    write("train.csv", ("text", "label"), ("a", "card"), ("z", "other"))
    write("c.csv", ("text", "correct_label"), ("a", "refund"), ("z", "other"), ("y", "card"), ("w", ""))
    result = run("merge", "c.csv", "train.csv", "-o", "out.csv", "--no-append")
    assert (result.exit_code, result.stdout) == (0, "out.csv\n")
    assert "train.csv: 2 rows: 1 changed, 1 confirmed, 0 added" in result.stderr
    assert "c.csv: 1 row is not in train.csv: line 4" in result.stderr
    assert "c.csv: 1 row says nothing yet" in result.stderr
    assert "labels that changed" in result.stderr


@pytest.mark.parametrize(
    ("rows", "code", "told"),
    [
        (
            [("a", "refnd")],
            7,
            'c.csv:2: column "correct_label": label "refnd" is not in task.toml (did you mean',
        ),
        ([("a", "")], 0, "no row has a right label filled in"),
    ],
)
def test_what_merge_says_of_the_corrections(rows: list[Sequence[str]], code: int, told: str) -> None:
    write("train.csv", ("text", "label"), ("a", "card"))
    write("c.csv", ("text", "correct_label"), *rows)
    result = run("merge", "c.csv", "train.csv", "-o", "out.csv")
    assert result.exit_code == code
    assert told in result.stderr


def test_a_changed_table_ends_with_9() -> None:
    write("train.csv", ("text", "label"), ("other", "card"))
    write(
        "c.csv", ("text", "label", "line", "given_label", "correct_label"), ("a", "card", 2, "card", "refund")
    )
    result = run("merge", "c.csv", "train.csv", "-o", "out.csv")
    assert result.exit_code == 9
    assert "train.csv line 2 has another text" in result.stderr


# ------------------------------------------------------------------------------------------- whose rows these are


SOURCES = ("human", "annotated", "synthetic", "annotated")
VERIFIED = ("", "yes", "", "no")


def write_sources(*sources: str, verified: Sequence[str] | None = None) -> None:
    own = ("verified",) if verified else ()
    rows = []
    for n, source in enumerate(sources * 10):
        # People's rows are right, and so are verified ones; the others are not.
        right = source == "human" or bool(verified and verified[n % len(verified)] == "yes")
        looked = (verified[n % len(verified)],) if verified else ()
        rows.append((f"t{n}", "card", "card" if right else "other", "x", "", 0.5, source, *looked))
    write("p.csv", (*PREDICTED, "source", *own), *rows)


@pytest.mark.parametrize(("verified", "share"), [(None, 10), (VERIFIED, 20)])
def test_rows_that_people_vouch_for_are_measured_apart(verified: Sequence[str] | None, share: int) -> None:
    write_sources(*SOURCES, verified=verified)
    result = run("evaluate", "p.csv", "--json", "--bootstrap", 50)
    document = json.loads(result.stdout)
    assert document["rows"] == 40
    assert document["metrics"]["accuracy"] == share / 40
    human = document["human_rows"]
    assert human["rows"] == share
    assert human["metrics"]["accuracy"] == 1.0
    assert set(human["intervals"]) == set(human["metrics"])


def test_they_stand_in_every_form_of_the_report() -> None:
    write_sources(*SOURCES)
    result = run("evaluate", "p.csv", "--html", "r.html", "--markdown", "r.md")
    told = "Rows that people labelled or verified, 10 of 40: "
    assert told in result.stdout
    assert "The labels of the other 30 are a model's." in result.stdout
    assert "Rows that people labelled or verified, 10 of 40" in Path("r.md").read_text()
    assert told in Path("r.html").read_text()


@pytest.mark.parametrize("sources", [("human",), ("annotated",), ("twitter", "web"), ("",)])
def test_where_all_rows_are_alike_nothing_is_apart(sources: tuple[str, ...]) -> None:
    write_sources(*sources)
    assert json.loads(run("evaluate", "p.csv", "--json").stdout)["human_rows"] is None


def test_a_synthetic_row_measures_nothing() -> None:
    rows = [(f"text {n} {'ab'[n % 2]}", LABELS[n % 3], "human") for n in range(60)]
    for name, start in (("train.csv", 0), ("validation.csv", 20), ("test.csv", 40)):
        own = rows[start : start + 20]
        write(name, ("text", "label", "source"), *own[:-1], (*own[-1][:2], "synthetic"))
    document = json.loads(run("check", "train.csv", "validation.csv", "test.csv", "--json").stdout)
    found = [one for one in document["findings"] if one["code"] == "synthetic_in_test"]
    assert [(one["severity"], one["where"]) for one in found] == [("error", {"file": "test.csv", "line": 21})]
    assert run("check", "train.csv", "validation.csv", "test.csv").exit_code == 11
