from __future__ import annotations

import csv
from pathlib import Path

import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.prepare.infer import Proposal, Wishes, init
from labeltune.task import read_task

Rows = list[list[str]]


def propose(tmp_path: Path, rows: Rows, wishes: Wishes | None = None) -> Proposal:
    data = tmp_path / "data.csv"
    with data.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)
    proposal = init(data, tmp_path / "task.toml", wishes=wishes, force=True)
    assert read_task(tmp_path / "task.toml") == proposal.task
    return proposal


TEXTS = [f"this is comment number {i}, and it is rather long" for i in range(40)]


def flags(i: int) -> list[str]:
    return [str(int(i % 3 == 0)), str(int(i % 9 == 0)), str(int(i % 5 == 0))]


def test_flag_columns_become_one_multi_field(tmp_path: Path) -> None:
    rows = [["id", "comment_text", "toxic", "severe_toxic", "insult"]]
    rows += [[f"{i:04x}", text, *flags(i)] for i, text in enumerate(TEXTS)]
    task = propose(tmp_path, rows).task
    assert (task.text, task.id) == (("comment_text",), "id")
    assert len(task.fields) == 1
    assert task.fields[0].type == "multi"
    assert task.fields[0].columns == task.labels == ("toxic", "severe_toxic", "insult")
    assert task.answer.format == "list"


def test_one_label_column(tmp_path: Path) -> None:
    rows = [["text", "label"]] + [[text, "bac"[i % 3]] for i, text in enumerate(TEXTS)]
    task = propose(tmp_path, rows).task
    assert (task.fields[0].type, task.fields[0].column) == ("single", "label")
    assert task.labels == ("a", "b", "c")
    assert task.answer.format == "label"


def test_two_levels(tmp_path: Path) -> None:
    pairs = [
        ("Order", "Cancel"),
        ("Order", "Track"),
        ("Billing", "Refund"),
        ("Billing", "Invoice"),
        ("Billing", "Fee"),
    ]
    rows = [["inquiry", "category", "sub_category"]] + [[text, *pairs[i % 5]] for i, text in enumerate(TEXTS)]
    task = propose(tmp_path, rows).task
    child = task.field("sub_category")
    assert child.parent == "category"
    assert child.children == {"Billing": ("Fee", "Invoice", "Refund"), "Order": ("Cancel", "Track")}
    assert task.answer.format == "json"


def test_two_levels_in_the_other_order_and_with_a_shared_label(tmp_path: Path) -> None:
    pairs = [
        ("Order", "Cancel"),
        ("Order", "Other"),
        ("Billing", "Refund"),
        ("Billing", "Other"),
        ("Billing", "Fee"),
    ]
    rows = [["sub", "text", "main"]] + [
        [lower, TEXTS[i], upper] for i, (upper, lower) in enumerate(pairs * 8)
    ]
    task = propose(tmp_path, rows).task
    assert [field.name for field in task.fields] == ["main", "sub"]
    assert task.fields[1].children == {"Billing": ("Fee", "Other", "Refund"), "Order": ("Cancel", "Other")}


def test_independent_columns_stay_independent(tmp_path: Path) -> None:
    rows = [["text", "mood", "topic"]] + [[text, "ab"[i % 2], "xyz"[i % 3]] for i, text in enumerate(TEXTS)]
    task = propose(tmp_path, rows).task
    assert [(field.name, field.parent) for field in task.fields] == [("mood", None), ("topic", None)]


@pytest.mark.parametrize("delimiter", ["|", ";", ","])
def test_one_column_with_a_delimiter(tmp_path: Path, delimiter: str) -> None:
    sets = [["joy"], ["joy", "anger"], ["neutral"], ["anger"], ["anger", "neutral"]]
    rows = [["text", "labels", "id"]]
    rows += [[text, delimiter.join(sets[i % 5]), f"x{i}"] for i, text in enumerate(TEXTS)]
    field = propose(tmp_path, rows).task.fields[0]
    assert (field.type, field.delimiter, field.labels) == ("multi", delimiter, ("anger", "joy", "neutral"))


def test_labels_that_hold_a_comma_are_not_taken_apart(tmp_path: Path) -> None:
    rows = [["text", "label"]] + [[text, ["Yes, please", "No"][i % 2]] for i, text in enumerate(TEXTS)]
    task = propose(tmp_path, rows).task
    assert task.labels == ("No", "Yes, please")
    assert task.fields[0].type == "single"


def test_wishes_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = [["title", "body", "kind", "source"]]
    rows += [["short", text, "ab"[i % 2], "web"] for i, text in enumerate(TEXTS)]
    wishes = Wishes(
        text=("title", "body"), labels=("kind",), answer="json", system="Be {{brief}}.", user="T: {text}"
    )
    task = propose(tmp_path, rows, wishes).task
    assert task.text == ("title", "body")
    assert [field.name for field in task.fields] == ["kind"]
    assert (task.prompt.system, task.prompt.user, task.answer.format) == (
        "Be {{brief}}.",
        "T: {text}",
        "json",
    )


def test_a_word_for_no_label(tmp_path: Path) -> None:
    rows = [["text", "a", "b"]] + [[text, "01"[i % 2], "0"] for i, text in enumerate(TEXTS)]
    assert propose(tmp_path, rows, Wishes(none="none")).task.answer.none == "none"
    warnings = propose(tmp_path, rows).warnings
    assert any("left out of training" in warning for warning in warnings)
    assert any('"b" holds 0 in every row' in warning for warning in warnings)


def test_what_should_be_looked_at_is_said(tmp_path: Path) -> None:
    labels = ["card lost", "Card_Lost", "other ", "other", ""]
    rows = [["text", "label"]] + [[text, labels[i % 5]] for i, text in enumerate(TEXTS)]
    proposal = propose(tmp_path, rows)
    assert proposal.task.labels == ("Card_Lost", "card lost", "other")
    said = "\n".join(proposal.warnings)
    assert "empty in 8 rows" in said
    assert "strip = true" in said
    assert "are these one label? Card_Lost, card lost" in said


def test_nothing_that_looks_like_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column looks like labels"):
        propose(tmp_path, [["a", "b"]] + [[f"x{i}", text] for i, text in enumerate(TEXTS)])


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='no column "lable" .did you mean "label"'):
        propose(tmp_path, [["text", "label"], ["x", "y"]], Wishes(labels=("lable",)))


def test_a_format_that_does_not_fit(tmp_path: Path) -> None:
    rows = [["text", "label"]] + [[text, "ab"[i % 2]] for i, text in enumerate(TEXTS)]
    with pytest.raises(SettingsError, match="answers exactly one multi field"):
        propose(tmp_path, rows, Wishes(answer="list"))


def test_an_existing_task_is_kept(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text("mine")
    (tmp_path / "data.csv").write_text(
        "text,label\n" + "".join(f"hello {i} world,{'ab'[i % 2]}\n" for i in range(10))
    )
    with pytest.raises(SettingsError, match="exists already"):
        init(tmp_path / "data.csv", tmp_path / "task.toml")
    assert (tmp_path / "task.toml").read_text() == "mine"
    init(tmp_path / "data.csv", tmp_path / "task.toml", force=True)
    assert read_task(tmp_path / "task.toml").labels == ("a", "b")


# ---------------------------------------------------------------------------------------- where rows come from


def test_columns_that_tell_where_rows_come_from_are_neither_text_nor_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    texts = [f"a text of several words number {n}" for n in range(40)]
    rows = [
        f"{text},{'ab'[n % 2]},{('human', 'synthetic')[n % 2]},gpt-{n % 3},{'xyz'[n % 3]},{n % 2},{n % 4} {n % 3}"
        for n, text in enumerate(texts)
    ]
    path.write_text("\n".join(["text,topic,source,teacher,annotator,verified,seeds", *rows]) + "\n")
    done = init(path, tmp_path / "task.toml")
    assert done.task.text == ("text",)
    assert done.task.label_columns == ("topic",)
    for name in ("source", "teacher", "annotator", "verified", "seeds"):
        assert done.left_out[name] == "where a row comes from"


def test_they_are_taken_if_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,verified\n" + "".join(f"some words here {n},{'yn'[n % 2]}\n" for n in range(40)))
    assert init(path, tmp_path / "task.toml", wishes=Wishes(labels=("verified",))).task.label_columns == (
        "verified",
    )
    with pytest.raises(DataError, match='"verified" \\(where a row comes from\\)'):
        init(path, tmp_path / "other.toml")


def test_a_source_that_is_a_text_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("source,topic\n" + "".join(f"some words here {n},{'ab'[n % 2]}\n" for n in range(40)))
    assert init(path, tmp_path / "task.toml").task.text == ("source",)
