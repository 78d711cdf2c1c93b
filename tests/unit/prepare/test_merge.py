from __future__ import annotations

import csv
from pathlib import Path

import pytest

from labeltune.errors import ConflictError, DataError, SettingsError
from labeltune.prepare.merge import Change, Merged, merge
from labeltune.task import Task, parse_task
from tasks import INQUIRY, TOXIC, TOXIC_LABELS, intent_toml

INTENT = parse_task(intent_toml("refund", "card", "other"))
WITH_ID = parse_task(
    intent_toml("refund", "card", "other").replace('text = ["text"]', 'text = ["text"]\nid = "id"')
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, *rows: list[str]) -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)


def run(task: Task = INTENT, *, append: bool = True, table: str = "t.csv", output: str = "out.csv") -> Merged:
    return merge("c.csv", table, task, output=output, append=append)


TABLE = 'text,label,note\n"a, b",refund,"1"\ngive me a card,refund, 2\nhello there,other,3\n'


@pytest.fixture
def table() -> None:
    Path("t.csv").write_text(TABLE)


SUSPECT = ["text", "label", "note", "line", "given_label", "proposed_label", "correct_label"]


@pytest.mark.usefixtures("table")
def test_suspects_are_joined_by_line() -> None:
    write(
        "c.csv",
        SUSPECT,
        ["give me a card", "refund", " 2", "3", "refund", "card", "card"],
        ["hello there", "other", "3", "4", "other", "card", ""],
        ["a, b", "refund", "1", "2", "refund", "card", "refund"],
    )
    done = run()
    assert (done.joined_by, done.rows, done.changed, done.confirmed, done.empty) == ("line", 3, 1, 1, 1)
    assert done.changes == (Change("refund", "card", 1),)
    assert Path("out.csv").read_text() == TABLE.replace("give me a card,refund", "give me a card,card")


@pytest.mark.usefixtures("table")
def test_what_is_done_already_is_confirmed() -> None:
    write("c.csv", SUSPECT, ["give me a card", "refund", " 2", "3", "refund", "card", "card"])
    run()
    done = run(table="out.csv", output="again.csv")
    assert (done.changed, done.confirmed) == (0, 1)
    assert Path("again.csv").read_bytes() == Path("out.csv").read_bytes()


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            ["give me a cart", "refund", "", "3", "refund", "card", "card"],
            "c.csv:2: t.csv line 3 has another text",
        ),
        (["give me a card", "other", "", "3", "other", "card", "card"], "line 3 has other labels than then"),
        (["give me a card", "refund", "", "9", "refund", "card", "card"], "c.csv:2: t.csv line 9 is no row"),
    ],
)
def test_a_table_that_changed_since_is_refused(row: list[str], told: str) -> None:
    write("c.csv", SUSPECT, row)
    with pytest.raises(ConflictError, match="has changed since") as caught:
        run()
    assert told in str(caught.value)
    assert not Path("out.csv").exists()


@pytest.mark.usefixtures("table")
def test_a_line_that_is_no_number() -> None:
    write("c.csv", SUSPECT, ["give me a card", "refund", "", "three", "refund", "card", "card"])
    with pytest.raises(DataError, match='c.csv:2: column "line" holds "three"'):
        run()


@pytest.mark.usefixtures("table")
def test_every_label_that_is_none_is_told() -> None:
    write("c.csv", ["text", "correct_label"], ["a, b", "refnd"], ["hello there", "card"], ["x", "bar"])
    with pytest.raises(DataError) as caught:
        run()
    assert [(finding.code, finding.where.line) for finding in caught.value.findings] == [
        ("unknown_label", 2),
        ("unknown_label", 4),
    ]
    assert 'label "refnd" is not in task.toml (did you mean "refund"?)' in str(caught.value)
    assert not Path("out.csv").exists()


@pytest.mark.usefixtures("table")
def test_rows_that_the_table_lacks_are_added() -> None:
    write(
        "c.csv",
        ["id", "text", "predicted_intent", "correct_label"],
        ["1", "a new one", "card", "refund"],
        ["2", "hello there", "card", "card"],
        ["3", "another", "card", ""],
    )
    done = run()
    assert (done.joined_by, done.changed, done.added, done.empty, done.not_found) == ("text", 1, 1, 1, ())
    assert (
        Path("out.csv").read_text()
        == TABLE.replace("hello there,other", "hello there,card") + "a new one,refund,\n"
    )


@pytest.mark.usefixtures("table")
def test_or_are_told_if_they_should_not_be() -> None:
    write("c.csv", ["text", "correct_label"], ["a new one", "refund"])
    done = run(append=False)
    assert (done.added, done.not_found) == (0, (2,))
    assert Path("out.csv").read_text() == TABLE


@pytest.mark.usefixtures("table")
def test_the_label_columns_are_corrections_where_no_others_are() -> None:
    write("c.csv", ["text", "label"], ["hello there", "card"], ["a, b", ""])
    done = run()
    assert (done.changed, done.empty) == (1, 1)


@pytest.mark.usefixtures("table")
def test_nothing_to_put_in() -> None:
    write("c.csv", ["text", "verdict"], ["hello there", "card"])
    with pytest.raises(DataError, match='no column "label", and neither "correct_label"'):
        run()


@pytest.mark.usefixtures("table")
def test_corrections_that_contradict_each_other() -> None:
    write("c.csv", ["text", "correct_label"], ["hello there", "card"], ["hello there", "refund"])
    with pytest.raises(DataError, match=r"c.csv:3: says other labels than line 2 for the same row"):
        run()


@pytest.mark.usefixtures("table")
def test_the_same_correction_twice_is_one() -> None:
    write("c.csv", ["text", "correct_label"], ["new", "card"], ["new", "card"], ["hello there", "card"])
    done = run()
    assert (done.added, done.changed, done.not_found) == (1, 1, ())


def test_rows_are_joined_by_id() -> None:
    Path("t.csv").write_text("id,text,label\n7,same,refund\n8,same,refund\n9,other text,card\n")
    write("c.csv", ["id", "text", "correct_label"], ["8", "same", "card"], ["x", "new", "card"])
    done = run(WITH_ID)
    assert (done.joined_by, done.changed, done.added) == ("id", 1, 1)
    assert Path("out.csv").read_text() == (
        "id,text,label\n7,same,refund\n8,same,card\n9,other text,card\nx,new,card\n"
    )
    write("c.csv", ["id", "text", "correct_label"], ["8", "another text", "card"])
    with pytest.raises(ConflictError, match="line 3 has another text"):
        run(WITH_ID)


def test_a_label_that_was_none_is_mended() -> None:
    Path("t.csv").write_text("text,label\nhello,refnd\n")
    write("c.csv", ["text", "correct_label"], ["hello", "refund"])
    done = run()
    assert done.changes == (Change("refnd", "refund", 1),)
    assert Path("out.csv").read_text() == "text,label\nhello,refund\n"


def test_several_labels() -> None:
    header = ["id", "comment_text", *TOXIC_LABELS]
    write("t.csv", header, ["1", "a", *"000000"], ["2", "b", *"100010"])
    write("c.csv", ["id", "comment_text", "correct_labels"], ["1", "a", "toxic,threat"], ["2", "b", "none"])
    done = run(TOXIC)
    assert set(done.changes) == {
        Change(None, "toxic", 1),
        Change(None, "threat", 1),
        Change("toxic", None, 1),
        Change("insult", None, 1),
    }
    assert Path("out.csv").read_text().splitlines()[1:] == ["1,a,1,0,0,1,0,0", "2,b,0,0,0,0,0,0"]


def test_a_path() -> None:
    write("t.csv", ["inquiry", "category", "sub_category"], ["x", "Billing", "Refund"])
    write("c.csv", ["inquiry", "correct_label"], ["x", "Order Management > Tracking"])
    assert run(INQUIRY).changes == (Change("Billing > Refund", "Order Management > Tracking", 1),)
    assert Path("out.csv").read_text().splitlines()[1] == "x,Order Management,Tracking"


def test_who_looked_at_a_row_has_verified_it() -> None:
    Path("t.csv").write_text(
        "text,label,source,verified\na,card,annotated,\nb,card,annotated,0\nc,card,annotated,\n"
    )
    write("c.csv", ["text", "correct_label"], ["a", "card"], ["b", "refund"])
    run()
    assert Path("out.csv").read_text().splitlines()[1:] == [
        "a,card,annotated,yes",
        "b,refund,annotated,1",
        "c,card,annotated,",
    ]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("output", "told"), [("t.csv", "is an input"), ("c.csv", "is an input"), ("o.jsonl", "stays")]
)
def test_outputs_that_cannot_be(output: str, told: str) -> None:
    write("c.csv", ["text", "correct_label"], ["hello there", "card"])
    with pytest.raises(SettingsError, match=told):
        run(output=output)


def test_a_review_that_is_safe_for_spreadsheets_is_read_as_what_it_was() -> None:
    Path("t.csv").write_text("text,label\n=1+1,card\n")
    write(
        "c.csv",
        ["text", "predicted_intent", "answer", "problem", "confidence", "correct_label"],
        ["'=1+1", "card", "card", "", "0.4", "refund"],
    )
    assert run().changed == 1


def test_a_task_that_reads_other_tables_otherwise() -> None:
    task = parse_task(
        intent_toml("refund", "card", "other") + '\n[read]\nseparator = ";"\nencoding = "cp1252"\n'
    )
    Path("t.csv").write_bytes("text;label\nmüde;card\n".encode("cp1252"))
    write("c.csv", ["text", "correct_label"], ["müde", "refund"])
    assert run(task).changed == 1
    assert Path("out.csv").read_bytes().decode("cp1252") == "text;label\nmüde;refund\n"
