from __future__ import annotations

from dataclasses import replace

import pytest

from labeltune.errors import SettingsError
from labeltune.task import format_task, parse_task, read_task
from tasks import ALL_TASKS, EMOTION_TOML, INQUIRY, INQUIRY_TOML, INTENT_TOML, TOXIC, TOXIC_LABELS, TOXIC_TOML


def test_the_contracts_task_is_read_as_it_says() -> None:
    assert TOXIC.text == ("comment_text",)
    assert TOXIC.id == "id"
    assert TOXIC.labels == TOXIC_LABELS
    assert TOXIC.fields[0].columns == TOXIC_LABELS
    assert (TOXIC.answer.format, TOXIC.answer.separator, TOXIC.answer.none) == ("list", ",", "")


def test_parent_and_child() -> None:
    child = INQUIRY.field("sub_category")
    assert child.parent == "category"
    assert child.children["Billing"] == ("Refund", "Invoice", "Cancellation")
    assert INQUIRY.slices == {"category": slice(0, 2), "sub_category": slice(2, 6)}


@pytest.mark.parametrize("task", ALL_TASKS, ids=lambda task: task.answer.format)
def test_round_trip(task: object) -> None:
    text = format_task(task)  # type: ignore[arg-type]  # parametrize loses the type
    assert parse_task(text) == task
    assert format_task(parse_task(text)) == text


# Each broken file: what is replaced in a good one, by what, and what the message must say.
BROKEN = {
    "unknown key": (TOXIC_TOML, 'id = "id"', 'idd = "id"', '3: unknown key "idd" (did you mean "id"?)'),
    "unknown key in field": (TOXIC_TOML, "columns = [", "colums = [", '8: unknown key "colums" (did you mean "col'),
    "unknown key in second field": (INQUIRY_TOML, 'parent = "category"', 'parnt = "category"', "15: unknown key"),
    "unknown key in answer": (TOXIC_TOML, 'none = ""', 'nothing = ""', '18: unknown key "nothing"'),
    "misspelt format": (TOXIC_TOML, '"list"', '"lst"', '16: format = "lst" is not one of'),
    "misspelt type": (TOXIC_TOML, '"multi"', '"mutli"', '7: type = "mutli" is not one of'),
    "missing version": (TOXIC_TOML, "version = 1", "", "version is missing"),
    "newer version": (TOXIC_TOML, "version = 1", "version = 2", "1: version = 2 is not known"),
    "version is a flag": (TOXIC_TOML, "version = 1", "version = true", "1: version must be a whole number"),
    "text is a string": (TOXIC_TOML, 'text = ["comment_text"]', 'text = "comment_text"', "2: text must be a list"),
    "no text": (TOXIC_TOML, 'text = ["comment_text"]', "text = []", "2: text names no column"),
    "label twice": (INTENT_TOML, '"lost card"]', '"card_arrival"]', '8: labels of field "intent": "card_arrival"'),
    "no labels": (INTENT_TOML, '["card_arrival", "Refund_not_showing_up", "lost card"]', "[]", "8: field"),
    "label with space around": (INTENT_TOML, '"lost card"', '"lost card "', "8: label"),
    "separator in a label": (TOXIC_TOML, 'labels = ["toxic",', 'labels = ["to,xic",', '17: "to,xic" contains'),
    "delimiter in a label": (EMOTION_TOML, '"joy"', '"joy|fun"', '10: label "joy|fun" contains the delimiter'),
    "columns and labels differ": (TOXIC_TOML, 'columns = ["toxic", ', "columns = [", "8: field"),
    "single with columns": (INTENT_TOML, 'column = "label"', 'columns = ["label"]', "is single: it needs column"),
    "multi with both": (TOXIC_TOML, 'type = "multi"', 'type = "multi"\ncolumn = "x"', "either columns or column"),
    "column without delimiter": (EMOTION_TOML, 'delimiter = "|"\n', "", "a delimiter is needed with column"),
    "two columns with one name": (INQUIRY_TOML, 'column = "sub_category"', 'column = "category"', "stands there twice"),
    "label column as text": (INTENT_TOML, 'text = ["text"]', 'text = ["label"]', "both a text column and holds"),
    "none is a label": (TOXIC_TOML, 'none = ""', 'none = "Toxic"', "18: none"),
    "label format with multi": (TOXIC_TOML, 'format = "list"', 'format = "label"', "16: format"),
    "list format with two fields": (INQUIRY_TOML, '"json"', '"list"', "answers exactly one multi field"),
    "parent that is none": (INQUIRY_TOML, 'parent = "category"', 'parent = "kategory"', "15: parent"),
    "child under a stranger": (INQUIRY_TOML, 'Billing = ["Refund"', 'Bills = ["Refund"', '"Bills" is not a label'),
    "child that is no label": (INQUIRY_TOML, '["Refund", "Invoice", ', '["Refnd", "Invoice", ', '"Refnd" is not'),
    "orphan": (INQUIRY_TOML, 'Billing = ["Refund", "Invoice", ', 'Billing = ["Invoice", ', '"Refund" stands under no'),
    "parent without children": (
        INQUIRY_TOML.split("[field.children]")[0] + "[prompt]" + INQUIRY_TOML.split("[prompt]")[1],
        "",
        "",
        "[field.children] must map",
    ),
    "unknown field in placeholder": (INTENT_TOML, '"{text}"', '"{text} {labels:intnt}"', "12: user: {labels:intnt}"),
    "single brace": (INTENT_TOML, '"{text}"', '"{text} }"', '12: user: a single "}" at character 8'),
    "empty placeholder": (INTENT_TOML, '"{text}"', '"{text} {}"', "12: user: an empty placeholder"),
    "label in the prompt": (INTENT_TOML, '"{text}"', '"{text} {label}"', "12: user: {label} would tell the model"),
    "prompt without text": (INTENT_TOML, '"{text}"', '"{labels}"', "12: user: no placeholder for the text"),
    "not TOML": (INTENT_TOML, "version = 1", "version = ", "not valid TOML"),
}  # fmt: skip


@pytest.mark.parametrize(("good", "old", "new", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_wrong_task_file_is_refused_with_its_line(
    good: str, old: str, new: str, message: str | None
) -> None:
    if message is None:
        parse_task(good)
        return
    assert old in good
    with pytest.raises(SettingsError) as caught:
        parse_task(good.replace(old, new, 1) if old else good, source="task.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("task.toml:")


def test_data_09_what_stands_in_columns_is_kept_and_counts() -> None:
    said = TOXIC_TOML.replace("columns = [", 'yes = "True"\nno = "False"\ncolumns = [', 1)
    task = parse_task(said)
    assert (task.fields[0].yes, task.fields[0].no) == ("True", "False")
    assert parse_task(format_task(task)) == task
    assert task.fingerprint != TOXIC.fingerprint
    assert "yes" not in format_task(TOXIC)


@pytest.mark.parametrize(
    ("toml", "keys", "message"),
    [
        (TOXIC_TOML, 'yes = "x"\nno = "X"', "tell no label"),
        (TOXIC_TOML, 'yes = ""', "tell no label"),
        (TOXIC_TOML, "yes = true", "yes must be a string"),
        (EMOTION_TOML, 'yes = "x"', "yes and no say what stands in columns"),
    ],
)
def test_words_for_yes_and_no_that_say_nothing(toml: str, keys: str, message: str) -> None:
    broken = toml.replace('type = "multi"', f'type = "multi"\n{keys}', 1)
    with pytest.raises(SettingsError, match=message):
        parse_task(broken)


def test_the_fingerprint_is_of_what_changes_records_or_decoding() -> None:
    assert len(TOXIC.fingerprint) == 16
    same = parse_task("# a comment\n" + TOXIC_TOML.replace('id = "id"\n', ""))
    assert same.fingerprint == TOXIC.fingerprint
    for old, new in (
        ("linguistic expert", "linguistic expert."),
        ("Comment: {text}", "Comment:{text}"),
        ('separator = ","', 'separator = ", "'),
        ('none = ""', 'none = "none"'),
        ('labels = ["toxic", "severe_toxic"', 'labels = ["severe_toxic", "toxic"'),
        ('text = ["comment_text"]', 'text = ["other"]'),
    ):
        assert parse_task(TOXIC_TOML.replace(old, new)).fingerprint != TOXIC.fingerprint, old


def test_read_task_names_the_file(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with pytest.raises(SettingsError, match="there is no such task file"):
        read_task(folder / "task.toml")
    (folder / "bad.toml").write_bytes(b"version = 1\ntext = ['\xff']")
    with pytest.raises(SettingsError, match="not UTF-8 at byte 21"):
        read_task(folder / "bad.toml")
    (folder / "bom.toml").write_text(TOXIC_TOML, encoding="utf-8-sig")
    assert read_task(folder / "bom.toml") == TOXIC
    (folder / "crlf.toml").write_bytes(TOXIC_TOML.replace("\n", "\r\n").encode())
    assert read_task(folder / "crlf.toml").fingerprint == TOXIC.fingerprint


def test_a_task_made_in_python_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="text names no column"):
        replace(TOXIC, text=())
