"""What comes of each tool's export: its format, the rows, what is dropped and lost, and what init makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from exports import EXPORTS, LABELS, ROWS, choices, label, label_studio, lines, taxonomy, text
from labeltune.collect.exchange.formats import FORMATS
from labeltune.collect.importing import Imported, ImportOptions, import_data
from labeltune.errors import DataError
from labeltune.files.tables import open_table
from labeltune.prepare.infer import Wishes, propose_task
from labeltune.task import AnswerFormat, Field, Prompt, Task
from labeltune.task.label_cells import LabelReader


def imported(path: Path | str, output: Path, **options: Any) -> tuple[Imported, list[dict[str, Any]]]:
    """What was told, and the rows with the values that they have."""
    done = import_data(path, output, ImportOptions(**options))
    return done, [orjson.loads(line) for line in output.read_bytes().splitlines()]


def rows_of(content: str, tmp_path: Path, **options: Any) -> list[dict[str, Any]]:
    (tmp_path / "in.data").write_text(content, encoding="utf-8")
    return imported(tmp_path / "in.data", tmp_path / "out.jsonl", **options)[1]


@pytest.mark.parametrize("name", EXPORTS)
def test_each_export_becomes_a_table_that_init_understands(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    done = import_data(export.write(tmp_path), tmp_path / "data.csv")
    assert (done.format, done.rows) == (export.format, export.rows), done.why
    assert (dict(done.dropped), dict(done.lost)) == (export.dropped, export.lost)
    columns = tuple(column for names in done.labels.values() for column in names)
    with open_table(tmp_path / "data.csv") as table:
        assert len([*table]) == export.rows
        told = propose_task(table, Wishes(text=done.text, labels=columns)).task
        assert {field.name: field.type for field in told.fields} == export.fields
        alone = propose_task(table, Wishes()).task
        assert {field.name for field in alone.fields} <= {*export.fields}
        assert told.text == alone.text == done.text
        reader = LabelReader(told, table.header)
        for _, values in table:
            assert all(reader.read(values))


def test_every_format_is_tried_by_an_export_here() -> None:
    """Folders, and Parquet files, are tried below."""
    assert {export.format for export in EXPORTS.values()} | {"folders"} == set(FORMATS)


@pytest.mark.parametrize("name", EXPORTS)
def test_what_is_written_anew_is_the_same(name: str, tmp_path: Path) -> None:
    """`--from` with the name that was found gives the same bytes."""
    export = EXPORTS[name]
    path = export.write(tmp_path)
    done = import_data(path, tmp_path / "one.csv")
    import_data(path, tmp_path / "two.csv", ImportOptions(format=done.format))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


# ------------------------------------------------------------------------------------------- people and ids


def test_several_people_have_a_row_each_tied_by_the_id(tmp_path: Path) -> None:
    task = label_studio(3, choices("label", "a"))
    task["annotations"] += [
        {"completed_by": {"id": 9, "email": "b@example.com"}, "result": [choices("label", "b")]},
        {"completed_by": None, "result": []},
    ]
    done, rows = imported(_file(tmp_path, json.dumps([task])), tmp_path / "out.jsonl")
    assert [(row["id"], row["annotator"], row["label"]) for row in rows] == [
        ("3", "7", "a"),
        ("3", "b@example.com", "b"),
    ]
    assert (done.id, done.annotator, dict(done.dropped)) == ("id", "annotator", {"no label": 1})


def test_a_folder_of_doccano_has_a_file_for_each_person(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for person in ("anna", "ben", "all"):
        content = lines({"id": n, "text": text(n), "label": [label(n)], "Comments": []} for n in range(4))
        (folder / f"{person}.jsonl").write_text(content)
    rows = imported(folder, tmp_path / "out.jsonl")[1]
    assert {(row["id"], row["annotator"]) for row in rows} == {
        (str(n), person) for n in range(4) for person in ("anna", "ben", "")
    }


def test_users_of_old_doccano_stay_apart(tmp_path: Path) -> None:
    given = [{"label": 0, "user": 3}, {"label": 1, "user": 4}, {"label": 2, "user": 3}]
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    content = lines(
        [{"text": "x y", "annotations": given, "meta": {}}, {"text": "z", "annotations": [], "meta": {}}]
    )
    rows = rows_of(content, tmp_path, labels=str(tmp_path / "labels.json"))
    assert [(row["annotator"], row["label"]) for row in rows] == [
        ("3", ["Refund", "Order status"]), ("4", ["Lost card"]),
    ]  # fmt: skip
    assert rows[0]["id"] == rows[1]["id"]


def test_ids_are_made_of_the_text_where_people_must_be_tied(tmp_path: Path) -> None:
    records = [
        {"text": one, "label": "a", "answer": "accept", "_annotator_id": person}
        for one in ("x", "y")
        for person in ("p", "q")
    ]
    rows = rows_of(lines(records), tmp_path)
    assert rows[0]["id"] == rows[1]["id"] != rows[2]["id"] == rows[3]["id"]


# -------------------------------------------------------------------------------------------------- columns


def test_scalars_are_kept_under_names_that_are_free(tmp_path: Path) -> None:
    records = [
        {"id": n, "text": text(n), "label": ["a"], "Comments": [], "year": 2020 + n, "new": n == 1, "none": None,
         "meta": {"label": "x", "text": "t", "deep": {}}}
        for n in range(2)
    ]  # fmt: skip
    rows = rows_of(lines(records), tmp_path)
    assert rows[1] == {
        "id": "1", "text": text(1), "label": "a", "year": 2021, "new": True, "meta_label": "x", "meta_text": "t",
    }  # fmt: skip


def test_a_field_called_like_the_text_gets_another_column(tmp_path: Path) -> None:
    rows = rows_of(json.dumps([label_studio(n, choices("text", label(n))) for n in range(3)]), tmp_path)
    assert [row["label_text"] for row in rows] == [label(n) for n in range(3)]


def test_paths_of_unequal_depth_leave_cells_empty(tmp_path: Path) -> None:
    tasks = [label_studio(1, taxonomy("topic", ["A", "a"])), label_studio(2, taxonomy("topic", ["B"]))]
    rows = rows_of(json.dumps(tasks), tmp_path)
    assert [(row["topic"], row["sub_topic"]) for row in rows] == [("A", "a"), ("B", "")]


def test_several_paths_are_a_list_of_whole_paths(tmp_path: Path) -> None:
    tasks = [
        label_studio(1, taxonomy("topic", ["A", "a"], ["B"])),
        label_studio(2, taxonomy("topic", ["A", "b"])),
    ]
    assert [row["topic"] for row in rows_of(json.dumps(tasks), tmp_path)] == [["A > a", "B"], ["A > b"]]


def test_labels_of_pieces_of_a_text_are_lost_and_counted(tmp_path: Path) -> None:
    piece = choices("label", "x")
    piece["value"]["start"] = 0
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    done, rows = imported(
        _file(tmp_path, json.dumps([label_studio(1, piece, relation, choices("label", "whole"))])),
        tmp_path / "out.jsonl",
    )
    assert [row["label"] for row in rows] == ["whole"]
    assert dict(done.lost) == {"labels of pieces of a text": 1, "relations": 1}


def test_texts_without_labels_are_kept_if_that_is_asked_for(tmp_path: Path) -> None:
    content = lines({"id": n, "text": text(n), "label": LABELS[:n], "Comments": []} for n in range(3))
    assert [row["label"] for row in rows_of(content, tmp_path, keep_empty=True)] == [
        [],
        ["Refund"],
        ["Refund", "Lost card"],
    ]


def test_binary_questions_about_one_text_are_one_row(tmp_path: Path) -> None:
    asked = [
        ("x", "a", "accept"),
        ("x", "b", "accept"),
        ("y", "a", "accept"),
        ("y", "b", "reject"),
        ("x", "c", "accept"),
    ]
    records = [
        {"text": one, "_input_hash": one, "label": name, "answer": answer} for one, name, answer in asked
    ]
    assert [(row["text"], row["label"]) for row in rows_of(lines(records), tmp_path)] == [
        ("x", ["a", "b"]), ("y", ["a"]), ("x", ["c"]),
    ]  # fmt: skip


def test_labels_of_fasttext_stand_before_or_behind(tmp_path: Path) -> None:
    content = "__label__a  __label__b x y\nx y __label__a\t__label__b  \nx __label__ y __label__a\n__label__a x __label__b\n"
    rows = rows_of(content, tmp_path)
    assert [(row["text"], row["label"]) for row in rows] == [
        ("x y", ["a", "b"]), ("x y", ["a", "b"]), ("x __label__ y", ["a"]), ("x __label__b", ["a"]),
    ]  # fmt: skip


def test_a_line_of_nothing_but_space_and_a_word_is_read_at_once(tmp_path: Path) -> None:
    """Looking for labels behind the text does not try every place of a long run of space."""
    content = "".join(f"__label__a text {n}\n" for n in range(20)) + " " * 300_000 + "x\n"
    assert rows_of(content, tmp_path, keep_empty=True)[-1]["text"] == " " * 299_999 + "x"


def test_doccano_s_csv_joins_labels_by_a_sign(tmp_path: Path) -> None:
    content = "id,data,label,source\n1,hello there,a#b,web\n2,hello you,b,\n"
    rows = rows_of(content, tmp_path, format="doccano")
    assert [(row["id"], row["text"], row["label"], row["source"]) for row in rows] == [
        ("1", "hello there", ["a", "b"], "web"), ("2", "hello you", ["b"], ""),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ label ids


OLD = lines(
    {"id": n, "text": text(n), "annotations": [{"label": 1 + n % 3, "user": 1}], "meta": {}} for n in range(6)
)


@pytest.mark.parametrize(
    "names",
    [
        [{"id": place, "text": name, "suffix_key": None} for place, name in enumerate(LABELS, 1)],
        {str(place): name for place, name in enumerate(LABELS, 1)},
        ["no id 0", *LABELS],
    ],
)
def test_ids_of_old_doccano_get_their_names(names: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(names))
    rows = rows_of(OLD, tmp_path, labels=str(tmp_path / "labels.json"))
    assert [row["label"] for row in rows] == [label(n) for n in range(6)]


def test_ids_in_a_list_get_their_names_or_are_refused(tmp_path: Path) -> None:
    content = lines({"id": n, "text": text(n), "label": [n % 2], "Comments": []} for n in range(4))
    with pytest.raises(DataError, match=r"in\.data:1: label 0 is an id"):
        rows_of(content, tmp_path)
    (tmp_path / "labels.json").write_text('["no", "yes"]')
    rows = rows_of(content, tmp_path, labels=str(tmp_path / "labels.json"))
    assert [row["label"] for row in rows] == ["no", "yes", "no", "yes"]


def test_a_label_that_is_written_in_digits_is_a_name(tmp_path: Path) -> None:
    rows = rows_of(
        lines({"id": n, "text": text(n), "label": [f"{n}"], "Comments": []} for n in (1, 2)), tmp_path
    )
    assert [row["label"] for row in rows] == ["1", "2"]


def test_numbers_of_hugging_face_get_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    content = lines({"text": text(n), "label": n % 3} for n in range(3))
    rows = rows_of(content, tmp_path, labels=str(tmp_path / "labels.json"))
    assert [row["label"] for row in rows] == [*LABELS]
    with pytest.raises(DataError, match=r"in\.data:1: label is 7, which --labels does not name"):
        rows_of(
            lines({"text": "x", "label": 7} for _ in range(2)), tmp_path, labels=str(tmp_path / "labels.json")
        )


def test_ids_of_old_doccano_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"in\.data:1: label 1 is an id, and no name of it is known"
    ) as caught:
        rows_of(OLD, tmp_path)
    assert "--labels" in (caught.value.hint or "")


def test_numbers_of_hugging_face_get_the_names_beside_the_file(tmp_path: Path) -> None:
    features = {
        "label": {"names": [*LABELS], "_type": "ClassLabel"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": features}))
    rows = rows_of(lines({"text": text(n), "label": n % 3} for n in range(6)), tmp_path)
    assert [row["label"] for row in rows] == [label(n) for n in range(6)]


def test_numbers_of_hugging_face_without_names_stay_with_a_warning(tmp_path: Path) -> None:
    path = _file(tmp_path, lines({"text": text(n), "label": n % 3} for n in range(6)))
    done, rows = imported(path, tmp_path / "out.jsonl")
    assert [row["label"] for row in rows] == [str(n % 3) for n in range(6)]
    assert "its numbers have no names" in done.warnings[0]


def test_a_number_beyond_the_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(
        '{"features": {"label": {"names": ["a"], "_type": "ClassLabel"}}}'
    )
    with pytest.raises(DataError, match=r"in\.data:2: label is 4, and the data set names 1 label, 0 to 0"):
        rows_of(lines([{"text": "x", "label": 0}, {"text": "y", "label": 4}]), tmp_path)


def parquet(path: Path, rows: list[dict[str, Any]], features: dict[str, Any] | None) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pa.Table.from_pylist(rows)
    if features is not None:
        table = table.replace_schema_metadata(
            {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


ONE = {"label": {"names": [*LABELS], "_type": "ClassLabel"}}
MANY = {"labels": {"feature": {"names": [*LABELS], "_type": "ClassLabel"}, "_type": "Sequence"}}


def test_a_folder_of_parquet_parts_with_names_in_the_schema(tmp_path: Path) -> None:
    for part in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        rows = [{"text": f"{part} {n}", "label": n % 4 - 1, "vector": [0.5]} for n in range(4)]
        parquet(tmp_path / "in" / "data" / f"{part}.parquet", rows, ONE)
    done, rows = imported(tmp_path / "in", tmp_path / "out.jsonl")
    assert [row["label"] for row in rows[:3]] == [*LABELS]
    assert [row["split"] for row in rows] == ["test"] * 3 + ["train"] * 6
    assert (dict(done.dropped), dict(done.lost)) == ({"no label": 3}, {'"vector" (nested)': 12})


def test_lists_of_numbers_get_their_names(tmp_path: Path) -> None:
    parquet(tmp_path / "one.parquet", [{"text": "x", "labels": [0, 2]}, {"text": "y", "labels": [1]}], MANY)
    rows = imported(tmp_path / "one.parquet", tmp_path / "out.jsonl")[1]
    assert [row["labels"] for row in rows] == [["Refund", "Order status"], ["Lost card"]]


@pytest.mark.parametrize(("features", "column"), [(ONE, "label"), (MANY, "labels")])
def test_a_parquet_file_says_that_the_names_of_its_numbers_can_be_had(
    tmp_path: Path, features: dict[str, Any], column: str
) -> None:
    path = tmp_path / "one.parquet"
    value = 1 if column == "label" else [1]
    parquet(path, [{"text": "x", column: value}], {"text": {"dtype": "string", "_type": "Value"}, **features})
    with open_table(path) as table:
        (note,) = table.notes
    assert note.startswith(f'{path}: "{column}" holds numbers of labels whose names are in the file')
    assert f"labeltune import {path} makes a table" in note
    parquet(path, [{"text": "x", column: value}], None)
    with open_table(path) as table:
        assert table.notes == []


def test_turns_of_sharegpt_are_messages(tmp_path: Path) -> None:
    turns = [
        {"conversations": [{"from": "system", "value": "Label."}, {"from": "human", "value": text(n)}, {"from": "gpt", "value": label(n)}]}
        for n in range(6)
    ]  # fmt: skip
    turns.append({"conversations": [{"from": "human", "value": "x"}]})
    (tmp_path / "in.jsonl").write_text(lines(turns))
    done, rows = imported(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (done.format, rows) == ("openai-chat", [{"text": text(n), "label": label(n)} for n in range(6)])
    assert dict(done.dropped) == {"no conversation of one question and one answer in text": 1}


def test_arrow_files_of_a_saved_data_set(tmp_path: Path) -> None:
    import pyarrow as pa

    folder = tmp_path / "in" / "train"
    folder.mkdir(parents=True)
    table = pa.table({"text": ["x", "y"], "label": [1, 0]})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (folder / "dataset_info.json").write_text(json.dumps({"features": ONE}))
    (folder / "state.json").write_text("{}")
    rows = imported(tmp_path / "in", tmp_path / "out.jsonl")[1]
    assert [row["label"] for row in rows] == ["Lost card", "Refund"]


# --------------------------------------------------------------------------------------------------- folders


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    page = "<html><head><title>no</title></head><body><p>Hello <b>you</b></p><script>x()</script>a &amp; b</body></html>"
    for part in ("train", "test"):
        for name in ("pos", "neg"):
            folder = tmp_path / "in" / part / name
            folder.mkdir(parents=True)
            (folder / "1.txt").write_text(f"{part} {name}\n", encoding="utf-8")
            (folder / "2.html").write_text(page)
    (tmp_path / "in" / "README").write_text("no text of a label")
    done, rows = imported(tmp_path / "in", tmp_path / "out.jsonl")
    assert {(row["label"], row["split"], row["text"]) for row in rows} == {
        (name, part, content)
        for part in ("train", "test")
        for name in ("pos", "neg")
        for content in (f"{part} {name}", "Hello you\na & b")
    }
    assert dict(done.lost) == {"files that lie in no label's folder, or are no texts": 1}


def test_folders_in_folders_are_levels(tmp_path: Path) -> None:
    for path in ("Money/Refund", "Money/Invoice", "Parcel/Late"):
        folder = tmp_path / "in" / path
        folder.mkdir(parents=True)
        (folder / "1.txt").write_text(path)
    rows = imported(tmp_path / "in", tmp_path / "out.jsonl")[1]
    assert {(row["label"], row["sub_label"]) for row in rows} == {
        ("Money", "Refund"), ("Money", "Invoice"), ("Parcel", "Late"),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------ chat


TASK = Task(
    ("text",),
    (Field("label", "single", LABELS, column="label"),),
    Prompt("Sort.", "Which of {labels}? ### {text} ###"),
    AnswerFormat("label"),
)


def test_a_task_says_where_the_text_stands_and_what_an_answer_is(tmp_path: Path) -> None:
    def record(user: str, answer: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]}

    asked = f"Which of {list(LABELS)}? ### {{}} ###"
    records = [
        record(asked.format("a ### b"), "refund."),
        record("hello", "Refund"),
        record(asked.format("x"), "something else"),
    ]
    done, rows = imported(_file(tmp_path, lines(records)), tmp_path / "out.jsonl", task=TASK)
    assert rows == [{"text": "a ### b", "label": "Refund"}]
    assert dict(done.dropped) == {
        "user message that is not as the task's template makes it": 1,
        "answer that is not one of the task's": 1,
    }


@pytest.mark.parametrize(
    ("separator", "stop"),
    [("\n\n###\n\n", "\n"), (" ->", " END"), ("\n\n===\n\n", ""), ("", "###"), (" >>>>", ""), ("", "")],
)
def test_separators_and_stops_of_the_older_fine_tuning(separator: str, stop: str, tmp_path: Path) -> None:
    texts = ["is it late?", "it is late", "late (very)"]
    records = [{"prompt": one + separator, "completion": f" {label(n)}{stop}"} for n, one in enumerate(texts)]
    rows = rows_of(lines(records), tmp_path)
    assert [(row["text"], row["label"]) for row in rows] == [(one, label(n)) for n, one in enumerate(texts)]


def test_what_texts_share_by_chance_is_no_separator(tmp_path: Path) -> None:
    records = [{"prompt": f"{word} late?", "completion": " x"} for word in ("is it", "was it", "are we")]
    assert [row["text"] for row in rows_of(lines(records), tmp_path)] == [
        "is it late?",
        "was it late?",
        "are we late?",
    ]


def _file(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "in.data"
    path.write_text(content, encoding="utf-8")
    return path


def test_rows_are_what_was_exported(tmp_path: Path) -> None:
    rows = rows_of(EXPORTS["cohere"].content, tmp_path)
    assert [(row["text"], row["label"]) for row in rows] == [(text(n), label(n)) for n in range(ROWS)]
